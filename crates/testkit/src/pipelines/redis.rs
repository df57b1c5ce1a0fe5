use rand::RngExt;

use super::{Builder, RandomSession};

/// Makes a session of Redis, in RESP2 or RESP3. Its keys have the seed in their names.
pub fn redis(seed: u64) -> RandomSession {
    let mut session =
        Redis { builder: Builder::new(seed), prefix: format!("s{seed}:"), is_resp3: seed % 2 == 1 };
    session.start();
    for _ in 0..session.builder.rng.random_range(5..40) {
        session.step();
    }
    session.command(&["QUIT"], None);
    session.builder.session
}

struct Redis {
    builder: Builder,
    prefix: String,
    is_resp3: bool,
}

impl Redis {
    fn start(&mut self) {
        if self.is_resp3 {
            self.command(&["HELLO", "3"], None);
        }
        let [text, number, list, hash] = self.keys();
        self.command(&["SET", &text, "some text"], None);
        self.command(&["SET", &number, "1"], None);
        self.command(&["RPUSH", &list, "a", "b", "c"], None);
        self.command(&["HSET", &hash, "a", "1", "b", "2"], None);
    }

    /// Keys of a text, a number, a list and a hash.
    fn keys(&self) -> [String; 4] {
        ["text", "number", "list", "hash"].map(|name| format!("{}{name}", self.prefix))
    }

    fn step(&mut self) {
        match self.builder.rng.random_range(0..12) {
            0 => self.transaction(),
            1 => self.subscription(),
            2 => self.inline(),
            _ => self.any_command(),
        }
    }

    fn any_command(&mut self) {
        let [text, number, list, hash] = self.keys();
        let value = self.builder.text();
        match self.builder.rng.random_range(0..13) {
            0 => self.command(&["SET", &text, &value], None),
            1 => self.command(&["get", &text], None),
            2 => self.command(&["GET", "missing"], None),
            3 => self.command(&["INCR", &number], None),
            4 => self.command(&["INCR", &list], Some("WRONGTYPE")),
            5 => self.command(&["LPUSH", &list, &value, ""], None),
            6 => self.command(&["LRANGE", &list, "0", "-1"], None),
            7 => self.command(&["HGETALL", &hash], None),
            8 => self.command(&["MGET", &number, "missing", &list], None),
            9 => self.command(&["EVAL", "return {1, {2, false}, 'three'}", "1", &text], None),
            10 => self.command(&["EVAL", "return redis.error_reply('BUSY it')", "1", &text], Some("BUSY")),
            11 => self.command(&["UNKNOWN", "a"], Some("ERR")),
            _ => self.command(&["PING"], None),
        }
    }

    fn transaction(&mut self) {
        let [text, number, list, _] = self.keys();
        self.command(&["MULTI"], None);
        // The failure of a command is in the response to EXEC.
        for _ in 0..self.builder.rng.random_range(0..4) {
            self.command(&["INCR", &number], None);
            self.command(&["INCR", &list], None);
            self.command(&["GET", &text], None);
        }
        match self.builder.rng.random_range(0..3) {
            0 => self.command(&["DISCARD"], None),
            1 => {
                self.command(&["GET"], Some("ERR"));
                self.command(&["EXEC"], Some("EXECABORT"));
            }
            _ => self.command(&["EXEC"], None),
        }
    }

    fn subscription(&mut self) {
        let channels = ["one", "two"].map(|name| format!("{}{name}", self.prefix));
        let [one, two] = channels.each_ref().map(String::as_str);
        self.command(&["SUBSCRIBE", one, two], None);
        // Only RESP3 has other commands during a subscription. The message arrives before the response.
        if self.is_resp3 {
            self.command(&["PUBLISH", two, "news"], None);
            self.any_command();
        }
        self.command(&["UNSUBSCRIBE", one, two], None);
    }

    fn inline(&mut self) {
        let [text, ..] = self.keys();
        match self.builder.rng.random_range(0..3) {
            0 => self.builder.push("\r\n"),
            1 => {
                self.builder.push(format!(" set  {text} 'a b'\r\n"));
                self.builder.expect("SET", &text, None, 0);
            }
            _ => {
                self.builder.push("PING\n");
                self.builder.expect("PING", "", None, 0);
            }
        }
    }

    fn command(&mut self, arguments: &[&str], failure: Option<&'static str>) {
        self.builder.push(format!("*{}\r\n", arguments.len()));
        for argument in arguments {
            self.builder.push(format!("${}\r\n{argument}\r\n", argument.len()));
        }
        let index = if arguments[0] == "EVAL" { 3 } else { 1 };
        let key = arguments.get(index).copied().unwrap_or_default();
        self.builder.expect(&arguments[0].to_uppercase(), key, failure, 0);
    }
}
