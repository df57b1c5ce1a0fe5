//! Clients through a proxy that reads their requests: no byte changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::fault_requests_drivers::{node, orders, python};
use crate::support::{Proxy, eventually, printed};
use testkit::pipelines::Recorder;
use testkit::{Postgres, Redis, require};

/// Lets a client use the port of a proxy between two recorders. The proxy delays the selected requests.
fn assert_identical(scheme: &str, server: SocketAddr, delayed: &str, use_client: &dyn Fn(u16)) {
    let behind = Recorder::start(server);
    let delay = ["--with-latency", "--latency-mean", "1ms", "--latency-at", "before-forward", "--latency-on"];
    let proxy = Proxy::with(format!("{scheme}://{}", behind.addr()), &[&delay[..], &[delayed]].concat());
    let before = Recorder::start(proxy.addr);
    use_client(before.addr().port());
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    eventually("all sessions have ended", || {
        clients.extend(std::iter::from_fn(|| before.pop()));
        servers.extend(std::iter::from_fn(|| behind.pop()));
        clients.len() == servers.len() && !clients.is_empty()
    });
    for recording in &clients {
        let index = servers.iter().position(|other| other == recording);
        let index = index.unwrap_or_else(|| panic!("{}", recording.requests.escape_ascii()));
        servers.swap_remove(index);
    }
    assert_eq!(proxy.count_to_the_end("WARN"), 0, "the proxy reads all sessions: {}", proxy.stderr());
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn prints(mut command: Command) {
    printed(&command.output().expect("it is executable"));
}

#[test]
fn clients_of_postgresql() {
    let server = Postgres::start();
    let direct = server.port();
    let pgbench = |port: u16, options: &str| {
        let mut pgbench = Command::new(require("pgbench", "postgresql"));
        pgbench.env_clear().envs([
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("PGSSLMODE", "disable"),
        ]);
        pgbench.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
        pgbench.args(options.split(' ')).arg("postgres");
        prints(pgbench);
    };
    let clients: [&dyn Fn(u16); 8] = [
        &|port| drop(printed(&testkit::psql(port, "disable", "begin; create table t (id int); commit"))),
        &|port| pgbench(port, "-i -q"),
        &|port| pgbench(port, "-n -M simple -c 4 -t 20"),
        &|port| pgbench(port, "-n -M prepared -c 4 -t 20"),
        &|port| drop(python("psycopg", "psycopg_pipeline.py", &[port, direct])),
        &|port| drop(python("asyncpg", "asyncpg_transactions.py", &[port, port, direct])),
        &|port| drop(python("sqlalchemy", "sqlalchemy_retry.py", &[port, direct])),
        &|port| drop(node("pg", "pg_pool.cjs", &[port, direct])),
    ];
    for use_client in clients {
        printed(&testkit::psql(direct, "disable", "drop table if exists orders"));
        assert_identical("psql", local(direct), "commit", use_client);
    }
}

#[test]
fn clients_of_redis() {
    let server = Redis::start();
    let direct = server.port();
    let benchmark = |port: u16| {
        let mut benchmark = Command::new(require("redis-benchmark", "redis-tools"));
        benchmark.args(["-p", &port.to_string()]);
        benchmark.args("-n 1600 -P 16 -c 4 -q -d 3000 -t ping,set,get,lrange_100".split(' '));
        prints(benchmark);
    };
    let redis_cli = |port: u16| {
        let mut redis_cli = Command::new(require("redis-cli", "redis-tools"));
        redis_cli.args(["-3", "-p", &port.to_string(), "SET", "session:1", "value"]);
        prints(redis_cli);
    };
    let clients: [&dyn Fn(u16); 4] =
        [&benchmark, &redis_cli, &|port| drop(python("redis", "redis_watch.py", &[port, direct])), &|port| {
            drop(node("ioredis", "ioredis_readonly.cjs", &[port, port, direct]))
        }];
    for use_client in clients {
        assert_identical("redis", local(direct), "EXEC", use_client);
    }
}

#[test]
fn clients_of_http() {
    let server = orders();
    let curl = |port: u16| {
        let mut curl = Command::new(require("curl", "curl"));
        let urls = ["/orders/1", "/report", "/events"].map(|path| format!("http://127.0.0.1:{port}{path}"));
        curl.args(["-q", "--noproxy", "*", "-sS", "--max-time", "60"]).args(urls);
        prints(curl);
    };
    let clients: [&dyn Fn(u16); 4] = [
        &curl,
        &|port| drop(python("requests", "requests_orders.py", &[port])),
        &|port| drop(python("httpx", "httpx_orders.py", &[port])),
        &|port| drop(node("pg", "fetch_orders.cjs", &[port])),
    ];
    for use_client in clients {
        assert_identical("http", server.addr(), "* /orders/*", use_client);
    }
}
