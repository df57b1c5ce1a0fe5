use std::process::Command;

use fault_proxy_protocol::Protocol;
use testkit::session::printed;
use testkit::{RedisCluster, free_port, require};

use crate::relay::Relay;
use crate::scripts::{node, python};

/// A cluster of two nodes whose clients are redirected to the relays in front of the nodes.
struct Cluster {
    relays: [Relay; 2],
    _nodes: RedisCluster,
}

impl Cluster {
    fn start() -> Self {
        let ports = [free_port(), free_port()];
        let relays = ports.map(|port| Relay::start(Protocol::Redis, port));
        let nodes = RedisCluster::start(ports, [relays[0].port, relays[1].port]);
        Self { relays, _nodes: nodes }
    }

    /// Returns the number of requests of this kind that the nodes have served, and checks all requests.
    fn served(&self, kind: &str) -> [usize; 2] {
        self.relays.each_ref().map(|relay| {
            let found = relay.found();
            found.assert_complete();
            let moved = found.failures.iter().filter(|code| *code == "MOVED").count();
            found.count(kind) - moved
        })
    }
}

#[test]
fn redis_cli_follows_a_redirect() {
    let cluster = Cluster::start();
    let client = |port: u16, key: &str| {
        let port = port.to_string();
        let args = ["-c", "-p", &port, "SET", key, "x"];
        let output = Command::new(require("redis-cli", "redis-tools")).args(args).output();
        printed(&output.expect("it is executable"));
    };
    // The slot of `foo` is 12182, which is of the second node.
    client(cluster.relays[0].port, "foo");
    let found = cluster.relays[0].found();
    found.assert_complete();
    assert_eq!((found.count("SET"), &found.failures[..]), (1, &["MOVED".to_owned()][..]));
    let found = cluster.relays[1].found();
    found.assert_complete();
    assert_eq!((found.count("SET"), found.failures.len()), (1, 0));
    assert!(found.keys.contains(&"foo".to_owned()), "{:?}", found.keys);
    client(cluster.relays[1].port, "foo");
    assert_eq!(cluster.served("SET"), [0, 1]);
}

#[test]
fn clients_of_clusters_find_the_node_of_each_key() {
    let cluster = Cluster::start();
    python(
        &cluster.relays[0],
        "redis",
        r#"
import redis
r = redis.RedisCluster(host="127.0.0.1", port=port)
for i in range(100):
    r.set(f"k{i}", i)
assert [r.get(f"k{i}") for i in range(100)] == [str(i).encode() for i in range(100)]
r.close()
"#,
    );
    let served = cluster.served("SET");
    assert_eq!(served.iter().sum::<usize>(), 100, "{served:?}");
    assert!(served.iter().all(|count| *count > 30), "{served:?}");

    node(
        &cluster.relays[0],
        "ioredis",
        r#"
const { Cluster } = require("ioredis");
const cluster = new Cluster([{ host: "127.0.0.1", port }]);
for (let i = 0; i < 100; i++) await cluster.set(`k${i}`, i);
await cluster.quit();
"#,
    );
    let served = cluster.served("SET");
    assert_eq!(served.iter().sum::<usize>(), 100, "{served:?}");
    assert!(served.iter().all(|count| *count > 30), "{served:?}");
}
