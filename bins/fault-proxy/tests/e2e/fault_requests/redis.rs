//! Requests of Redis.

use std::time::{Duration, Instant};

use crate::fault_support::RedisSession;
use crate::support::Proxy;
use testkit::Redis;

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
