use std::process::Command;

use fault_proxy_protocol::Protocol;
use testkit::session::printed;
use testkit::{Postgres, psql, require};

use crate::relay::Relay;
use crate::scripts::{node, python};

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

#[test]
fn psycopg_prepares_pipelines_and_copies() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    python(
        &relay,
        "psycopg",
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
    for (module, script) in [
        (
            "psycopg2",
            r#"
import psycopg2
c = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
q = c.cursor()
for a in range(5): q.execute("select %s", [a])
c.commit()
c.close()
"#,
        ),
        (
            "pg8000",
            r#"
import pg8000.native
c = pg8000.native.Connection("postgres", host="127.0.0.1", port=port)
c.run("begin")
for a in range(5): c.run("select :a", a=a)
c.run("commit")
c.close()
"#,
        ),
        (
            "asyncpg",
            r#"
import asyncio, asyncpg
async def main():
    c = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres")
    async with c.transaction():
        for a in range(5): await c.fetch("select $1::int", a)
    await c.close()
asyncio.run(main())
"#,
        ),
    ] {
        python(&relay, module, script);
        let found = relay.found();
        found.assert_complete();
        let counts = ["begin", "select", "commit"].map(|kind| found.count(kind));
        assert_eq!(counts, [1, 5, 1], "{script}: {:?} {:?}", found.kinds, found.keys);
    }
}

#[test]
fn node_postgres_sends_simple_unnamed_and_named_statements() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    node(
        &relay,
        "pg",
        r#"
const { Client } = require("pg");
const client = new Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
await client.connect();
await client.query("create table t (a int)");
await client.query("begin");
for (let a = 0; a < 5; a++) await client.query("insert into t values ($1)", [a]);
for (let a = 0; a < 5; a++) {
  const result = await client.query({ name: "read", text: "select *  from t where a = $1", values: [a] });
  if (result.rows.length !== 1) throw new Error(result);
}
await client.query("commit");
await client.query("select 1 / $1::int", [0]).then(() => { throw new Error("no error"); }, () => {});
await client.end();
"#,
    );
    let found = relay.found();
    found.assert_complete();
    let counts = ["ddl", "begin", "insert", "select", "commit"].map(|kind| found.count(kind));
    assert_eq!(counts, [1, 1, 5, 6, 1], "{:?}", found.kinds);
    assert_eq!(found.keys.iter().filter(|key| *key == "select * from t where a = $1").count(), 5);
    assert_eq!((found.parts, &found.failures[..]), (5, &["22012".to_owned()][..]));
}

#[test]
fn sqlalchemy_repeats_a_transaction_that_could_not_be_serialized() {
    let server = Postgres::start();
    let relay = Relay::start(Protocol::Psql, server.port());
    python(
        &relay,
        "sqlalchemy",
        r#"
import sqlalchemy as sa
engine = sa.create_engine(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", isolation_level="REPEATABLE READ")
with engine.begin() as c:
    c.execute(sa.text("create table t (a int)"))
    c.execute(sa.text("insert into t values (1)"))
for attempt in (1, 2):
    try:
        with engine.begin() as c:
            c.execute(sa.text("select a from t")).all()
            if attempt == 1:
                with engine.begin() as other:
                    other.execute(sa.text("update t set a = a + 1"))
            c.execute(sa.text("update t set a = a * :factor"), {"factor": 10})
    except sa.exc.OperationalError as error:
        assert error.orig.sqlstate == "40001"
with engine.begin() as c:
    assert c.execute(sa.text("select a from t")).scalar() == 20
engine.dispose()
"#,
    );
    let found = relay.found();
    found.assert_complete();
    assert_eq!((found.count("update"), &found.failures[..]), (3, &["40001".to_owned()][..]));
    assert_eq!(found.keys.iter().filter(|key| key.starts_with("update t set a = a * $1")).count(), 2);
    // The failed transaction, and those in which the engine looks at the server.
    assert!(found.keys.contains(&"ROLLBACK".to_owned()), "{:?}", found.keys);
    assert_eq!(found.count("commit"), 4, "{:?}", found.keys);
}
