//! redis-cli, as people run it, through faults.

use std::process::{Command, Output, Stdio};

use crate::fault_support::{ms, timed};
use crate::support::{Proxy, complaint, printed};
use testkit::{Redis, require};

fn redis_cli(proxy: &Proxy, args: &[&str]) -> Output {
    Command::new(require("redis-cli", "redis-tools"))
        .args(["-h", "127.0.0.1", "-p", &proxy.port().to_string()])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli is executable")
}

#[test]
fn its_answers_are_late_and_right() {
    let server = Redis::start();
    let faults = [
        "--with-latency",
        "--latency-mean",
        "150ms",
        "--latency-direction",
        "both",
        "--with-jitter",
        "--with-slicer",
        "--slicer-size",
        "3",
        "--with-packet-loss",
        "--packet-loss-rate",
        "5%",
        "--with-bandwidth",
        "--bandwidth-rate",
        "64KBps",
    ];
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &faults);
    let value = "every byte arrives as it was sent ".repeat(100);
    assert_eq!(printed(&redis_cli(&proxy, &["SET", "value", &value])), "OK\n");
    let (output, took) = timed(|| redis_cli(&proxy, &["GET", "value"]));
    assert_eq!(printed(&output).trim_end_matches('\n'), value);
    assert!(took >= ms(300), "{took:?}");
}

#[test]
fn it_says_that_its_connection_was_reset_or_refused() {
    let server = Redis::start();
    let upstream = format!("localhost:{}", server.port());
    let reset = Proxy::with(&upstream, &["--with-reset"]);
    let said = complaint(&redis_cli(&reset, &["PING"]));
    assert!(said.contains("Connection reset") || said.contains("closed the connection"), "{said}");
    let refused = Proxy::with(&upstream, &["--with-refuse"]);
    let said = complaint(&redis_cli(&refused, &["PING"]));
    assert!(said.contains("Connection refused"), "{said}");
}
