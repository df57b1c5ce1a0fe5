use std::io::Write;
use std::process::{Command, Stdio};

use fault_proxy_protocol::Protocol;
use testkit::session::printed;
use testkit::{Redis, require};

use crate::relay::Relay;
use crate::scripts::{node, python};

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

#[test]
fn redis_py_has_pipelines_transactions_and_subscriptions_in_both_protocols() {
    let server = Redis::start();
    let relay = Relay::start(Protocol::Redis, server.port());
    for protocol in [2, 3] {
        let script = format!("protocol = {protocol}\n{REDIS_PY}");
        python(&relay, "redis", &script);
        let found = relay.found();
        found.assert_complete();
        let counts = ["SET", "MULTI", "INCRBY", "EXEC", "LPUSH", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE"]
            .map(|kind| found.count(kind));
        assert_eq!(counts, [50, 2, 2, 2, 1, 3, 1, 1], "{protocol}: {:?}", found.kinds);
        assert_eq!(found.keys.iter().filter(|key| *key == "k7").count(), 2, "{:?}", found.keys);
        let failures: Vec<_> = found.failures.iter().filter(|code| *code != "ERR").collect();
        assert_eq!(failures, ["WRONGTYPE"], "{protocol}");
    }
}

/// Before Redis 7.2, `CLIENT SETINFO` fails with ERR.
const REDIS_PY: &str = r#"
import redis
r = redis.Redis(port=port, protocol=protocol)
r.delete("counter")
with r.pipeline(transaction=False) as pipeline:
    for i in range(50):
        pipeline.set(f"k{i}", "x" * 1000)
    assert pipeline.execute() == [True] * 50
with r.pipeline() as pipeline:
    pipeline.incr("counter").get("k7")
    assert pipeline.execute() == [1, b"x" * 1000]
with r.pipeline() as pipeline:
    pipeline.watch("counter")
    pipeline.multi()
    pipeline.incr("counter")
    assert pipeline.execute() == [2]
try:
    r.lpush("counter", 1)
except redis.ResponseError:
    pass
p = r.pubsub(ignore_subscribe_messages=True)
p.subscribe("news")
assert p.get_message(timeout=60) is None
for i in range(3):
    r.publish("news", i)
messages = []
while len(messages) < 3:
    messages += [m["data"] for m in [p.get_message(timeout=60)] if m]
assert messages == [b"0", b"1", b"2"]
p.unsubscribe("news")
p.get_message(timeout=60)
p.close()
r.close()
"#;

#[test]
fn ioredis_has_pipelines_transactions_and_subscriptions() {
    let server = Redis::start();
    let relay = Relay::start(Protocol::Redis, server.port());
    node(
        &relay,
        "ioredis",
        r#"
const { Redis } = require("ioredis");
const redis = new Redis(port);
const pipeline = redis.pipeline();
for (let i = 0; i < 50; i++) pipeline.set(`k${i}`, "x".repeat(1000));
await pipeline.exec();
await Promise.all([...Array(10).keys()].map((i) => redis.get(`k${i}`)));
await redis.multi().incr("counter").get("k7").exec();
await redis.lpush("counter", 1).then(() => { throw new Error("no error"); }, () => {});
const subscriber = new Redis(port);
await subscriber.subscribe("news", "more");
const message = new Promise((done) => subscriber.on("message", (_, text) => done(text)));
await redis.publish("news", "x");
if (await message !== "x") throw new Error("another message");
await subscriber.unsubscribe("news", "more");
await subscriber.quit();
await redis.quit();
"#,
    );
    let found = relay.found();
    found.assert_complete();
    let counts =
        ["SET", "GET", "MULTI", "INCR", "EXEC", "LPUSH", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH", "QUIT"]
            .map(|kind| found.count(kind));
    assert_eq!(counts, [50, 11, 1, 1, 1, 1, 1, 1, 1, 2], "{:?}", found.kinds);
    assert_eq!(found.failures.iter().filter(|code| *code != "ERR").collect::<Vec<_>>(), ["WRONGTYPE"]);
}
