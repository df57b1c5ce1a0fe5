//! Faults on requests, as the drivers of applications see them.

use std::path::Path;
use std::process::Command;

use crate::postgres::pgbench;
use crate::support::{Proxy, printed};
use testkit::{Postgres, Redis, clients, psql, require};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const LOST_COMMIT: [&str; 5] =
    ["--with-lose-response", "--lose-response-on", "commit", "--lose-response-times", "1"];

/// Returns the output of a script that uses a package.
fn python(package: &str, script: &str, ports: &[u16]) -> String {
    let mut python = Command::new(require("python3", "python3"));
    python.env("PYTHONPATH", clients::python_modules(package));
    output(python, &format!("python/{script}"), ports)
}

/// Returns the output of a script that uses a package.
fn node(package: &str, script: &str, ports: &[u16]) -> String {
    let mut node = Command::new(require("node", "nodejs"));
    node.env("NODE_PATH", clients::npm_modules(package));
    output(node, &format!("node/{script}"), ports)
}

fn output(mut interpreter: Command, script: &str, ports: &[u16]) -> String {
    interpreter.arg(Path::new(SCRIPTS).join(script)).args(ports.iter().map(u16::to_string));
    printed(&interpreter.output().expect("the interpreter is executable"))
}

fn postgres_with(server: &Postgres, options: &[&str]) -> Proxy {
    Proxy::with(format!("psql://127.0.0.1:{}", server.port()), options)
}

#[test]
fn sqlalchemy_repeats_a_transaction_that_fails_to_serialize() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001"];
    let proxy = postgres_with(&server, &[&fault[..], &["--respond-times", "2"]].concat());
    let seen = python("sqlalchemy", "sqlalchemy_retry.py", &[proxy.port(), server.port()]);
    assert_eq!(seen, "40001 False 0\n40001 False 0\nok 1\nkept\n");
}

#[test]
fn sqlalchemy_repeats_a_transaction_that_was_committed() {
    let server = Postgres::start();
    let proxy = postgres_with(&server, &LOST_COMMIT);
    let seen = python("sqlalchemy", "sqlalchemy_retry.py", &[proxy.port(), server.port()]);
    assert_eq!(seen, "None True 1\nok 2\nreplaced\n");
}

#[test]
fn asyncpg_sees_a_lost_commit_and_a_deadlock_with_prepared_statements() {
    let server = Postgres::start();
    let lossy = postgres_with(&server, &LOST_COMMIT);
    let fault = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40P01"];
    let failing = postgres_with(&server, &[&fault[..], &["--respond-times", "1"]].concat());
    let ports = [lossy.port(), failing.port(), server.port()];
    let seen = python("asyncpg", "asyncpg_transactions.py", &ports);
    let expected = "commit lost closed 3\ncommit ok open 6\n\
        40P01\nrows 6\nok\nok\nrows 7\nsame connection\n";
    assert_eq!(seen, expected);
}

#[test]
fn a_pool_of_node_postgres_replaces_the_connection_of_a_lost_commit() {
    let server = Postgres::start();
    let proxy = postgres_with(&server, &LOST_COMMIT);
    let seen = node("pg", "pg_pool.cjs", &[proxy.port(), server.port()]);
    assert_eq!(seen, "ECONNRESET 1 0\nok 2 1\nok 3 1\n");
}

/// A transaction has three updates, so no two of the failures are in one transaction.
#[test]
fn pgbench_repeats_the_transactions_whose_update_fails() {
    const SUMS: &str = "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts), \
        sum(delta) = (select sum(bbalance) from pgbench_branches), \
        sum(delta) = (select sum(tbalance) from pgbench_tellers) from pgbench_history";
    let fault = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40001"];
    let fault = [&fault[..], &["--respond-every", "7", "--respond-times", "5"]].concat();
    for mode in ["simple", "prepared"] {
        let server = Postgres::start();
        let proxy = postgres_with(&server, &fault);
        pgbench(&proxy, "disable", &["-i", "-q"]);
        let options = ["-n", "-M", mode, "-c", "1", "--max-tries=10", "-t", "50"];
        let report = pgbench(&proxy, "disable", &options);
        for line in [
            "transactions actually processed: 50/50",
            "number of failed transactions: 0 ",
            "number of transactions retried: 5 ",
            "total number of retries: 5\n",
        ] {
            assert!(report.contains(line), "{mode}: {line:?} is missing: {report}");
        }
        let sums = printed(&psql(server.port(), "disable", SUMS));
        assert_eq!(sums, "50|t|t|t\n", "{mode}: each transaction is executed once");
    }
}

#[test]
fn ioredis_sees_a_read_only_replica_in_pipelines_transactions_and_failovers() {
    let server = Redis::start();
    let fault = ["--with-respond", "--respond-on", "SET session:*", "--respond-error", "READONLY"];
    let upstream = format!("redis://127.0.0.1:{}", server.port());
    let readonly = Proxy::with(&upstream, &fault);
    let once = Proxy::with(&upstream, &[&fault[..], &["--respond-times", "1"]].concat());
    let ports = [readonly.port(), once.port(), server.port()];
    let expected = "set OK READONLY\npipeline OK READONLY 2\nmulti EXECABORT\nafter 2 null\n\
        failover OK 2\nserver 2 null 4\n";
    assert_eq!(node("ioredis", "ioredis_readonly.cjs", &ports), expected);
}
