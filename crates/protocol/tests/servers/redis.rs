use std::io::Write;
use std::process::{Command, Stdio};

use fault_proxy_protocol::Protocol;
use testkit::session::printed;
use testkit::{Redis, require};

use crate::relay::Relay;

#[test]
fn each_command_of_redis_benchmark_is_a_request() {
    let server = Redis::start();
    let relay = Relay::start(Protocol::Redis, server.port());
    let benchmark = Command::new(require("redis-benchmark", "redis-tools"))
        .args(["-p", &relay.port.to_string(), "-n", "1600", "-P", "16", "-c", "4", "-q", "-d", "3000"])
        .args(["-t", "ping,set,get,lpush,lrange_100,mset"])
        .output()
        .expect("it is executable");
    printed(&benchmark);
    let found = relay.found();
    found.assert_complete();
    let counts = ["SET", "GET", "MSET", "LRANGE"].map(|kind| found.count(kind));
    assert_eq!(counts, [1600; 4], "{:?}", found.kinds);
    // Once in a line, once as an array.
    assert_eq!(found.count("PING"), 3200, "{:?}", found.kinds);
    assert!(found.failures.is_empty(), "{:?}", found.failures);
}

fn redis_cli(relay: &Relay, args: &[&str], input: &str) -> String {
    let mut client = Command::new(require("redis-cli", "redis-tools"))
        .args(["-p", &relay.port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is executable");
    client.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("redis-cli reads");
    printed(&client.wait_with_output().expect("it ends"))
}

#[test]
fn redis_cli_has_transactions_scripts_and_errors_in_both_protocols() {
    let server = Redis::start();
    for protocol in ["-2", "-3"] {
        let relay = Relay::start(Protocol::Redis, server.port());
        let input = "MULTI\nINCR {a}counter\nEXEC\nEVAL \"return redis.call('get', KEYS[1])\" 1 {a}counter\nLPUSH {a}counter x\n\
                     HSET h a 1 b 2\nHGETALL h\nCOMMAND\nDEL h {a}counter\n";
        redis_cli(&relay, &[protocol], input);
        let found = relay.found();
        found.assert_complete();
        assert_eq!(found.failures, ["WRONGTYPE"], "{protocol}");
        assert!(found.keys.iter().filter(|key| *key == "{a}counter").count() >= 3, "{:?}", found.keys);
        let counts = ["MULTI", "INCR", "EXEC", "EVAL", "HGETALL"].map(|kind| found.count(kind));
        assert_eq!(counts, [1; 5], "{protocol}: {:?}", found.kinds);
    }
}

#[test]
fn a_mass_insertion_has_a_reply_for_each_command() {
    let server = Redis::start();
    let relay = Relay::start(Protocol::Redis, server.port());
    let commands: String = (0..100_000).map(|index| format!("SET k{index} v\r\n")).collect();
    redis_cli(&relay, &["--pipe"], &commands);
    let found = relay.found();
    found.assert_complete();
    assert_eq!(found.count("SET"), 100_000);
}
