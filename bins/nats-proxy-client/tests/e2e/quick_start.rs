//! The quick start, word for word: Redis through both programs.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::support::bytes::ending;
use crate::support::{Client, Pair, Server, free_addr, printed};
use tempfile::TempDir;
use testkit::{NatsServer, Redis, nats_servers, require};

fn redis_tool(program: &str, client: &Client, args: &[&str]) -> String {
    let mut command = Command::new(require(program, "redis-tools"));
    command.args(["-h", "127.0.0.1", "-p", &client.addr.port().to_string()]).args(args).stdin(Stdio::null());
    printed(&command.output().expect("it is executable"))
}

fn redis_cli(client: &Client, args: &[&str]) -> String {
    redis_tool("redis-cli", client, args)
}

fn by_flags(nats: &NatsServer, redis: &Redis) -> (Server, Client) {
    let (http, listen) = (free_addr().to_string(), free_addr());
    let server = ["--nats-url", &nats.url(), "--listen-addr", &http, "--log-level", "info"];
    let server = Server::run(&server, &[]);
    let args = [
        ["--nats-url", &nats.url()],
        ["--listen-addr", &listen.to_string()],
        ["--remote-addr", &format!("127.0.0.1:{}", redis.port())],
        ["--proxy-addr", "localhost:8081"],
        ["--log-level", "info"],
    ];
    (server, Client::run(listen, args.as_flattened(), &[]))
}

fn assert_works(client: &Client) {
    assert_eq!(redis_cli(client, &["PING"]), "PONG\n");
    assert_eq!(redis_cli(client, &["SET", "key", "value"]), "OK\n");
    assert_eq!(redis_cli(client, &["GET", "key"]), "value\n");
}

/// A separate connection, up to its clean end.
fn ping(client: &Client) {
    let mut stream = client.connect();
    stream.write_all(b"PING\r\n").expect("open");
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).expect("an answer");
    assert_eq!(&reply, b"+PONG\r\n");
    stream.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(ending(&stream), Ok(()));
}

#[test]
fn a_thousand_fresh_connections_of_a_thousand_work() {
    for program in nats_servers() {
        let (nats, redis) = (NatsServer::start_with(&program, ""), Redis::start());
        let (_server, client) = by_flags(&nats, &redis);
        assert_works(&client);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..125).for_each(|_| ping(&client)));
            }
        });
        for _ in 0..30 {
            assert_eq!(redis_cli(&client, &["PING"]), "PONG\n");
        }
    }
}

#[test]
fn variables_alone_are_enough() {
    let (nats, redis, listen) = (NatsServer::start(), Redis::start(), free_addr());
    let nats_url = nats.url();
    let of_both = [("NATS_URL", &*nats_url), ("LOG_LEVEL", "info")];
    // Port 8080 may be in use, and no variable sets another.
    let _server = Server::run(&["--listen-addr", "off"], &of_both);
    let (listens, remote) = (listen.to_string(), format!("127.0.0.1:{}", redis.port()));
    let of_client = [("LISTEN_ADDR", &*listens), ("REMOTE_ADDR", &remote), ("PROXY_ADDR", "localhost:8081")];
    assert_works(&Client::run(listen, &[], &[&of_both[..], &of_client].concat()));
}

#[test]
fn files_alone_are_enough() {
    let (nats, redis, listen) = (NatsServer::start(), Redis::start(), free_addr());
    let home = TempDir::new().unwrap();
    let of_both = format!("nats:\n  url: {}\nlog:\n  level: info\n", nats.url());
    let write =
        |name: &str, more: &str| fs::write(home.path().join(name), format!("{of_both}{more}")).unwrap();
    write(".nats-proxy-server.yaml", "server:\n  listen_addr: 'off'\n");
    let (listens, remote) = (listen.to_string(), format!("127.0.0.1:{}", redis.port()));
    let of_client =
        format!("  listen_addr: {listens}\n  remote_addr: {remote}\n  proxy_addr: proxy-server:8081\n");
    write(".nats-proxy-client.yaml", &format!("client:\n{of_client}"));
    let home = [("HOME", utf8(home.path()))];
    let _server = Server::run(&[], &home);
    assert_works(&Client::run(listen, &[], &home));
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("temporary files have UTF-8 names")
}

#[test]
fn fifty_clients_at_once_are_all_answered() {
    let redis = Redis::start();
    let pair = Pair::to(format!("127.0.0.1:{}", redis.port()));
    let args = ["-n", "20000", "-c", "50", "-P", "1", "-q", "-t", "set,get"];
    let report = redis_tool("redis-benchmark", &pair.client, &args).replace('\r', "\n");
    for test in ["SET: ", "GET: "] {
        let done = |line: &str| line.starts_with(test) && line.contains("requests per second");
        assert!(report.lines().any(done), "no result of {test:?} in {report}");
    }
}
