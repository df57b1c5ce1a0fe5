//! A session with Redis.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub const LONG: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

pub fn big() -> String {
    let mut big: String = (0..20_000).map(|number| format!("{number} ")).collect();
    big.truncate(100_000);
    big
}

pub struct Redis(TcpStream);

impl Redis {
    pub fn on(port: u16) -> Self {
        Self::try_on(port).expect("the proxy listens")
    }

    pub fn try_on(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub fn send(&mut self, words: &[&str]) {
        let parts: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        self.0.write_all(format!("*{}\r\n{parts}", words.len()).as_bytes()).expect("the proxy takes it");
    }

    pub fn expect(&mut self, reply: &str) {
        let mut got = vec![0; reply.len()];
        self.0.read_exact(&mut got).expect("a reply");
        assert!(got == reply.as_bytes(), "another reply");
    }

    /// How long a round trip takes.
    pub fn ping(&mut self) -> Duration {
        let started = Instant::now();
        self.send(&["PING"]);
        self.expect("+PONG\r\n");
        started.elapsed()
    }

    /// How long it takes to get what was set.
    pub fn get_big(&mut self) -> Duration {
        let (started, big) = (Instant::now(), big());
        self.send(&["GET", "big"]);
        self.expect(&format!("${}\r\n{big}\r\n", big.len()));
        started.elapsed()
    }

    /// What comes until the end.
    pub fn rest(&mut self) -> io::Result<String> {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).map(|_| rest)
    }
}

/// Returns true if the port refuses connections.
pub fn is_refused(port: u16) -> bool {
    Redis::try_on(port).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
