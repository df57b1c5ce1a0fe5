//! Redis with its own clients.

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{Proxy, eventually, printed, tls_before, utf8};
use testkit::{Certificates, Redis, require};

fn command(program: &str, proxy: &Proxy, args: &[&str]) -> Command {
    let mut command = Command::new(require(program, "redis-tools"));
    command.args(["-h", "127.0.0.1", "-p", &proxy.port().to_string()]).args(args).stdin(Stdio::null());
    command
}

fn redis_cli(proxy: &Proxy, args: &[&str]) -> String {
    printed(&command("redis-cli", proxy, args).output().expect("redis-cli is executable"))
}

#[test]
fn commands_are_answered() {
    let server = Redis::start();
    let proxy = Proxy::to(format!("localhost:{}", server.port()));
    assert_eq!(redis_cli(&proxy, &["PING"]), "PONG\n");
    assert_eq!(redis_cli(&proxy, &["SET", "greeting", "hello"]), "OK\n");
    assert_eq!(redis_cli(&proxy, &["GET", "greeting"]), "hello\n");
}

#[test]
fn the_schemes_of_redis_reach_it_with_and_without_tls() {
    let server = Redis::start();
    let proxy = Proxy::to(format!("redis://localhost:{}", server.port()));
    assert_eq!(redis_cli(&proxy, &["PING"]), "PONG\n");
    let certificates = Certificates::generate();
    let (_haproxy, port) = tls_before((Ipv4Addr::LOCALHOST, server.port()).into(), &certificates);
    let proxy =
        Proxy::with(format!("rediss://localhost:{port}"), &["--upstream-ca", utf8(certificates.ca_file())]);
    assert_eq!(redis_cli(&proxy, &["PING"]), "PONG\n");
}

#[test]
fn fifty_pipelining_clients_are_all_answered() {
    let server = Redis::start();
    let proxy = Proxy::to(format!("tcp://localhost:{}", server.port()));
    let args = ["-n", "20000", "-c", "50", "-P", "16", "-q", "-t", "set,get,lpush,lrange_100"];
    let output = command("redis-benchmark", &proxy, &args).output().expect("redis-benchmark is executable");
    let report = printed(&output).replace('\r', "\n");
    for test in ["SET: ", "GET: ", "LPUSH: ", "LRANGE_100 (first 100 elements): "] {
        let done = |line: &str| line.starts_with(test) && line.contains("requests per second");
        assert!(report.lines().any(done), "no result of {test:?} in {report}");
    }
    assert_eq!(redis_cli(&proxy, &["GET", "key:__rand_int__"]).len(), "xxx\n".len());
}

#[test]
fn a_client_that_waits_in_silence_gets_its_answer() {
    let server = Redis::start();
    let proxy = Proxy::to(format!("localhost:{}", server.port()));
    thread::scope(|scope| {
        let popped = scope.spawn(|| redis_cli(&proxy, &["BLPOP", "queue", "60"]));
        eventually("the client blocks", || {
            redis_cli(&proxy, &["INFO", "clients"]).contains("blocked_clients:1")
        });
        // The silence itself, not a wait for something.
        thread::sleep(Duration::from_secs(3));
        redis_cli(&proxy, &["LPUSH", "queue", "at last"]);
        assert_eq!(popped.join().unwrap(), "queue\nat last\n");
    });
}
