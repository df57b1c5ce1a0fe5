//! Bytes that faults change and those that they leave alone, compared with a recording between the proxy and the server.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use super::psql::{message, query};
use crate::support::{Proxy, eventually};
use testkit::pipelines::{Recorder, Recording, serve_site};
use testkit::{Postgres, Redis};

/// Three requests that a client sends without waiting.
struct Pipeline {
    scheme: &'static str,
    server: SocketAddr,
    requests: [Vec<u8>; 3],
    /// Ends of the responses of the server to the first and the last request.
    ends: [Vec<u8>; 2],
}

/// Bytes of a session on both sides of the proxy.
struct Sides {
    client: Recording,
    upstream: Recording,
    end: io::Result<()>,
}

impl Pipeline {
    fn play(&self, fault: &str) -> Sides {
        let recorder = Recorder::start(self.server);
        let fault: Vec<_> = fault.split(' ').map(|option| option.replace('+', " ")).collect();
        let options: Vec<_> = fault.iter().map(String::as_str).collect();
        let proxy = Proxy::with(format!("{}://{}", self.scheme, recorder.addr()), &options);
        let (mut client, mut recording) = (proxy.connect(), Recording::default());
        recording.requests = self.requests.concat();
        client.write_all(&recording.requests).expect("the proxy reads");
        let end = client.read_to_end(&mut recording.responses).map(drop);
        drop(client);
        let mut upstream = None;
        eventually("the session ends", || {
            upstream = recorder.pop();
            upstream.is_some()
        });
        Sides { client: recording, upstream: upstream.expect("it was recorded"), end }
    }

    /// Returns the length of what the server has sent up to the end of the first response.
    fn before(&self, sides: &Sides) -> usize {
        find(&sides.upstream.responses, &self.ends[0]).end
    }

    /// The fault delays or limits a response, and changes nothing.
    fn assert_unchanged(&self, fault: &str) {
        let sides = self.play(fault);
        assert!(sides.client == sides.upstream, "{fault}: {sides:?}");
        assert!(sides.end.is_ok() && sides.client.responses.ends_with(&self.ends[1]), "{fault}: {sides:?}");
    }

    /// The server gets all requests. The client gets the first response, this number of further bytes, and no more.
    fn assert_ends(&self, fault: &str, further: usize, is_reset: bool) {
        let sides = self.play(fault);
        let expected = &sides.upstream.responses[..self.before(&sides) + further];
        assert!(sides.client.responses == expected, "{fault}: {sides:?}");
        assert!(sides.client.requests == sides.upstream.requests, "{fault}: {sides:?}");
        assert_eq!(sides.end.is_err(), is_reset, "{fault}: {:?}", sides.end);
    }

    /// The client gets this response instead of that to the second request, which the server does not get.
    fn assert_responds(&self, fault: &str, response: &[u8]) {
        let sides = self.play(fault);
        let (client, upstream) = (&sides.client, &sides.upstream);
        let Range { start, end } = find(&client.responses, response);
        let (before, after) = (&client.responses[..start], &client.responses[end..]);
        assert!(before.len() >= self.before(&sides) && after.ends_with(&self.ends[1]), "{fault}: {sides:?}");
        assert!(upstream.responses.starts_with(before), "{fault}: {sides:?}");
        assert!(upstream.responses.ends_with(after), "{fault}: {sides:?}");
        let [first, selected, last] = &self.requests;
        assert!(
            upstream.requests.starts_with(first) && upstream.requests.ends_with(last),
            "{fault}: {sides:?}"
        );
        assert!(
            !upstream.requests.windows(selected.len()).any(|part| part == selected),
            "{fault}: {sides:?}"
        );
        assert!(sides.end.is_ok(), "{fault}: {:?}", sides.end);
    }
}

impl std::fmt::Debug for Sides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for bytes in
            [&self.client.requests, &self.upstream.requests, &self.upstream.responses, &self.client.responses]
        {
            write!(f, "\n{}", bytes.escape_ascii())?;
        }
        Ok(())
    }
}

/// Returns the place of the only occurrence.
fn find(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let mut places = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(part));
    let (Some(start), None) = (places.next(), places.next()) else {
        panic!("{} is not once in {}", part.escape_ascii(), bytes.escape_ascii())
    };
    start..start + part.len()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[test]
fn postgresql() {
    let server = Postgres::start();
    let startup = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0".to_vec();
    let simple = query("select 'selected' from generate_series(1, 3)");
    let extended = {
        let parse = message(b'P', b"\0select 'selected' from generate_series(1, 3)\0\0\0");
        [parse, message(b'B', &[0; 8]), message(b'E', &[0; 5]), message(b'S', b"")].concat()
    };
    // A row with one value, CommandComplete and ReadyForQuery.
    let response = |value: &str| {
        let len = u32::try_from(value.len()).expect("short");
        let row = [&[0, 1][..], &len.to_be_bytes(), value.as_bytes()].concat();
        [message(b'D', &row), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat()
    };
    let row = message(b'D', b"\0\x01\0\0\0\x08selected").len();
    let error = b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent update\0\
        DThis error is from fault-proxy.\0\0";
    // Lengths of the messages that respond to Parse and Bind, and of those before the first row: RowDescription has 34 bytes.
    for (selected, parsed, described) in [(simple, 0, 34), (extended, 10, 10)] {
        let last = [query("select 'after'"), message(b'X', b"")].concat();
        let pipeline = Pipeline {
            scheme: "psql",
            server: local(server.port()),
            requests: [[startup.clone(), query("select 'before'")].concat(), selected, last],
            ends: [response("before"), response("after")],
        };
        let on = "on sql=/selected/";
        pipeline.assert_unchanged(&format!("--with-latency --latency-mean 20ms --latency-{on}"));
        let lose = format!("--with-lose-response --lose-response-{on}");
        pipeline.assert_ends(&lose, parsed, true);
        pipeline.assert_ends(&format!("{lose} --lose-response-then close"), parsed, false);
        let truncated = described + 2 * row + 3;
        pipeline.assert_ends(&format!("--with-truncate --truncate-rows 2 --truncate-{on}"), truncated, false);
        let completed = described + 3 * row + message(b'C', b"SELECT 3\0").len();
        for (moment, passed) in [
            ("first-byte", parsed + 1),
            ("mid-response --reset-rows 1", described + row),
            ("before-ready", completed),
        ] {
            pipeline.assert_ends(&format!("--with-reset --reset-{on} --reset-at {moment}"), passed, true);
        }
        let respond = format!("--with-respond --respond-sqlstate 40001 --respond-{on}");
        pipeline.assert_responds(&respond, &message(b'E', error));
    }
}

#[test]
fn redis() {
    let server = Redis::start();
    let command = |arguments: &[&str]| -> Vec<u8> {
        let bulks = arguments.iter().map(|argument| format!("${}\r\n{argument}\r\n", argument.len()));
        format!("*{}\r\n{}", arguments.len(), bulks.collect::<String>()).into()
    };
    let pipeline = Pipeline {
        scheme: "redis",
        server: local(server.port()),
        requests: [
            command(&["ECHO", "before"]),
            command(&["SET", "session:1", "selected"]),
            [command(&["ECHO", "after"]), command(&["QUIT"])].concat(),
        ],
        ends: [b"$6\r\nbefore\r\n".to_vec(), b"$5\r\nafter\r\n+OK\r\n".to_vec()],
    };
    let on = "on SET+session:*";
    pipeline.assert_unchanged(&format!("--with-latency --latency-mean 20ms --latency-{on}"));
    pipeline.assert_ends(&format!("--with-lose-response --lose-response-{on}"), 0, true);
    let reset = format!("--with-reset --reset-at mid-response --reset-bytes 2 --reset-{on}");
    pipeline.assert_ends(&reset, 2, true);
    let respond = format!("--with-respond --respond-error OOM --respond-{on}");
    pipeline.assert_responds(&respond, b"-OOM command not allowed when used memory > 'maxmemory'.\r\n");
}

#[test]
fn http() {
    let root = tempfile::tempdir().expect("the temporary directory is writable");
    let (_server, server) = serve_site(root.path());
    for (file, body) in [("before", "before"), ("after", "after"), ("selected", &"selected ".repeat(1000))] {
        fs::write(root.path().join(file), body).expect("the directory is writable");
    }
    let get =
        |path: &str, fields: &str| format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let pipeline = Pipeline {
        scheme: "http",
        server,
        requests: [get("before", ""), get("selected", ""), get("after", "Connection: close\r\n")],
        ends: [b"\r\n\r\nbefore".to_vec(), b"\r\n\r\nafter".to_vec()],
    };
    let on = "on GET+/selected";
    pipeline.assert_unchanged(&format!("--with-latency --latency-mean 20ms --latency-{on}"));
    pipeline.assert_unchanged(&format!("--with-bandwidth --bandwidth-rate 100KBps --bandwidth-{on}"));
    pipeline.assert_ends(&format!("--with-lose-response --lose-response-{on}"), 0, true);
    pipeline.assert_ends(&format!("--with-truncate --truncate-bytes 1000 --truncate-{on}"), 1000, false);
    let respond = format!("--with-respond --respond-status 503 --respond-body busy --respond-{on}");
    let response = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 4\r\n\r\nbusy";
    pipeline.assert_responds(&respond, response);
}
