//! Requests of Redis.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::fault_support::RedisSession;
use crate::fault_support::script::end;
use crate::support::{Proxy, printed};
use testkit::{Redis, clients, require};

const WATCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/redis_watch.py");

#[test]
fn requests_of_redis_are_delayed_by_command_and_key() {
    let server = Redis::start();
    let delay = ["--with-latency", "--latency-mean", "300ms", "--latency-on", "SET session:*"];
    let proxy = Proxy::with(format!("redis://127.0.0.1:{}", server.port()), &delay);
    let mut client = RedisSession::open(&proxy);
    let mut time = |command: &str| {
        let started = Instant::now();
        let reply = client.ask(command);
        (reply, started.elapsed())
    };
    let (reply, slow) = time("SET session:1 a");
    assert!(reply.contains("OK") && slow >= Duration::from_millis(300), "{reply} {slow:?}");
    let fast: Duration = (0..20).map(|_| time("SET other a").1).sum();
    assert!(fast < 10 * slow, "20 commands that are not meant took {fast:?}");
}

/// The first of four transactions is not executed, since another client has changed its watched key.
#[test]
fn a_lost_transaction_is_unconfirmed_if_it_was_executed() {
    let server = Redis::start();
    let lost = ["--with-lose-response", "--lose-response-on", "EXEC", "--lose-response-times", "3"];
    let proxy = Proxy::with(format!("redis://127.0.0.1:{}", server.port()), &lost);
    let mut python = Command::new(require("python3", "python3"));
    python.env("PYTHONPATH", clients::python_modules("redis")).arg(WATCH);
    python.args([proxy.port(), server.port()].map(|port| port.to_string()));
    let seen = printed(&python.output().expect("python is executable"));
    assert_eq!(seen, "changed WatchError 100\nunchanged WatchError 101\nrepeated [103] 103\n");
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    let counts: Vec<_> =
        proxy.stdout().lines().filter(|line| line.contains("unconfirmed")).map(str::to_owned).collect();
    assert_eq!(counts.len(), 1, "no queued command is unconfirmed: {counts:?}");
    assert!(counts[0].starts_with("unconfirmed: 2 of 4 EXEC on "), "{counts:?}");
}
