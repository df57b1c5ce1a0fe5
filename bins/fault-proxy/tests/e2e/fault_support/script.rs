//! Runs whose clients do the same each time.

use testkit::{Daemon, Signal};

use crate::fault_support::RedisSession;
use crate::support::{PATIENCE, Proxy};

pub(crate) const LATENCY: [&str; 5] = ["--with-latency", "--latency-mean", "15", "--latency-stddev", "5"];

/// Ends a run as its user would; returns its exit code.
pub(crate) fn end(daemon: &Daemon) -> Option<i32> {
    daemon.signal(Signal::TERM);
    daemon.wait(PATIENCE).code()
}

/// What the client of Redis does, the same each time.
pub(crate) fn redis_script(proxy: &Proxy) {
    for session in 0..3 {
        let mut redis = RedisSession::open(proxy);
        for number in 0..10 {
            assert_eq!(redis.ask(&format!("SET key:{session} {number}")), "+OK");
        }
        redis.ping();
    }
}
