//! Random pipelined sessions through a proxy that reads their requests: no byte changes.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::{Proxy, ending, eventually};
use testkit::pipelines::{self, RandomSession, Recorder};
use testkit::{Postgres, Redis};

/// Sessions of each protocol.
const SESSIONS: u64 = 1000;

/// Sessions at a time.
const THREADS: usize = 8;

/// The proxy delays some requests, which it holds until it knows them, and loses the response to another one.
struct Faults {
    delayed: &'static str,
    lost: &'static str,
    /// Sends the request whose response is lost. Returns true if there is no response.
    loses: fn(&Proxy) -> bool,
}

fn assert_identical(scheme: &str, server: SocketAddr, make: fn(u64) -> RandomSession, faults: &Faults) {
    let recorder = Recorder::start(server);
    let delay = ["--with-latency", "--latency-mean", "1ms", "--latency-at", "before-forward", "--latency-on"];
    let lose = [faults.delayed, "--with-lose-response", "--lose-response-on", faults.lost];
    let proxy = Proxy::with(format!("{scheme}://{}", recorder.addr()), &[&delay[..], &lose].concat());
    let seeds = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let seed @ ..SESSIONS = seeds.fetch_add(1, Ordering::Relaxed) {
                    let session = make(seed);
                    let recording = session.record(proxy.addr);
                    let recording = recording.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    assert!(recording.requests == session.bytes, "seed {seed}");
                    let what = format!("the upstream has a session with the same bytes, seed {seed}");
                    eventually(&what, || recorder.take(&recording));
                }
            });
        }
    });
    assert!((faults.loses)(&proxy), "the proxy reads requests: {}", proxy.stderr());
    assert_eq!(proxy.count_to_the_end("WARN"), 0, "the proxy reads all sessions: {}", proxy.stderr());
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn is_reset(proxy: &Proxy, request: &str) -> bool {
    let mut client = proxy.connect();
    client.write_all(request.as_bytes()).expect("the proxy reads");
    ending(&client) == Err(ErrorKind::ConnectionReset)
}

#[test]
fn postgresql() {
    let server = Postgres::start();
    let loses = |proxy: &Proxy| !testkit::psql(proxy.port(), "disable", "select 'lost'").status.success();
    let faults = Faults { delayed: "select", lost: "sql=select 'lost'", loses };
    assert_identical("psql", local(server.port()), pipelines::psql, &faults);
}

#[test]
fn redis() {
    let server = Redis::start();
    let loses = |proxy: &Proxy| is_reset(proxy, "PING lost\r\n");
    let faults = Faults { delayed: "GET", lost: "PING lost", loses };
    assert_identical("redis", local(server.port()), pipelines::redis, &faults);
}

#[test]
fn http() {
    let root = tempfile::tempdir().expect("the temporary directory is writable");
    let (_server, listen) = pipelines::serve_site(root.path());
    let loses = |proxy: &Proxy| is_reset(proxy, "GET /lost HTTP/1.1\r\nHost: a\r\n\r\n");
    let faults = Faults { delayed: "GET /ssi/*", lost: "GET /lost", loses };
    assert_identical("http", listen, pipelines::http, &faults);
}
