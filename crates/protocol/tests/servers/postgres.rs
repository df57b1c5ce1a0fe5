use std::process::Command;

use fault_proxy_protocol::Protocol;
use testkit::clients::python_directory;
use testkit::session::printed;
use testkit::{Postgres, psql, require};

use crate::relay::Relay;

fn pgbench(relay: &Relay, args: &[&str]) {
    let mut command = Command::new(require("pgbench", "postgresql"));
    command
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("PGHOST", "127.0.0.1"),
            ("PGUSER", "postgres"),
        ])
        .env("PGPORT", relay.port.to_string())
        .args(args)
        .arg("postgres");
    printed(&command.output().expect("pgbench is executable"));
}

#[test]
fn each_statement_of_pgbench_is_a_request_in_every_mode() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    pgbench(&relay, &["-i", "-q"]);
    let found = relay.found();
    found.assert_complete();
    assert!(found.count("copy") > 0 && found.count("ddl") > 0, "{:?}", found.kinds);
    for mode in ["simple", "extended", "prepared"] {
        pgbench(&relay, &["-n", "-M", mode, "-c", "2", "-t", "20"]);
        let found = relay.found();
        found.assert_complete();
        let counts = ["begin", "update", "insert", "commit"].map(|kind| found.count(kind));
        assert_eq!(counts, [40, 120, 40, 40], "{mode}: {:?}", found.kinds);
        let key = "SELECT abalance FROM pgbench_accounts WHERE aid = ";
        assert_eq!(found.keys.iter().filter(|text| text.starts_with(key)).count(), 40, "{mode}");
    }
}

#[test]
fn psql_copies_fails_and_runs_several_statements_at_once() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    psql(relay.port, "prefer", "create table t (a int)");
    relay.found().assert_complete();
    psql(relay.port, "disable", "begin; insert into t values (1), (2); commit");
    let found = relay.found();
    found.assert_complete();
    assert_eq!(found.count("begin+commit+insert"), 1, "{:?}", found.kinds);
    psql(relay.port, "disable", "copy t to stdout");
    let found = relay.found();
    found.assert_complete();
    assert_eq!(found.count("copy"), 1);
    psql(relay.port, "disable", "select 1/(a - 1) from t");
    let found = relay.found();
    found.assert_complete();
    assert_eq!(found.failures, ["22012"]);
}

/// Runs a script with the PostgreSQL drivers of Python. `port` is defined.
fn python(relay: &Relay, script: &str) {
    let ran = Command::new(require("python3", "python3"))
        .env("PYTHONPATH", python_directory())
        .args(["-c", &format!("port = {}\n{script}", relay.port)])
        .output()
        .expect("it is executable");
    printed(&ran);
}

#[test]
fn psycopg_prepares_pipelines_and_copies() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    python(
        &relay,
        r#"
import psycopg
with psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True) as c:
    c.execute("create table t (a int)")
    for a in range(10):
        c.execute("insert  into t values (%s)", [a], prepare=True)
    with c.transaction():
        assert len(c.execute("select * from t where a >= %s", [0], prepare=True).fetchall()) == 10
    try:
        with c.pipeline():
            c.execute("select 1")
            c.execute("select 1/%s", [0])
            c.execute("select 3")
    except psycopg.errors.DivisionByZero:
        pass
    with c.cursor().copy("copy t from stdin") as copy:
        for a in range(100):
            copy.write_row([a])
    assert c.execute("select count(*) from t").fetchone() == (110,)
    with c.transaction(), c.cursor(name="server") as server:
        server.execute("select * from t")
        assert len(server.fetchmany(5)) == 5
"#,
    );
    let found = relay.found();
    found.assert_complete();
    let counts = ["ddl", "insert", "begin", "commit", "copy"].map(|kind| found.count(kind));
    assert_eq!(counts, [1, 10, 2, 2, 1], "{:?}", found.kinds);
    assert!(found.keys.iter().any(|key| key == "insert into t values ($1)"), "{:?}", found.keys);
    assert_eq!(found.failures.first().map(String::as_str), Some("22012"), "{:?}", found.failures);
    assert!(found.parts >= 11, "{}", found.parts);
}

#[test]
fn other_drivers_of_python_are_read() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    for script in [
        r#"
import psycopg2
c = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
q = c.cursor()
for a in range(5): q.execute("select %s", [a])
c.commit()
c.close()
"#,
        r#"
import pg8000.native
c = pg8000.native.Connection("postgres", host="127.0.0.1", port=port)
c.run("begin")
for a in range(5): c.run("select :a", a=a)
c.run("commit")
c.close()
"#,
        r#"
import asyncio, asyncpg
async def main():
    c = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres")
    async with c.transaction():
        for a in range(5): await c.fetch("select $1::int", a)
    await c.close()
asyncio.run(main())
"#,
    ] {
        python(&relay, script);
        let found = relay.found();
        found.assert_complete();
        let counts = ["begin", "select", "commit"].map(|kind| found.count(kind));
        assert_eq!(counts, [1, 5, 1], "{script}: {:?} {:?}", found.kinds, found.keys);
    }
}
