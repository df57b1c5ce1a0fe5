//! PostgreSQL with its own clients.

use std::process::Command;

use crate::support::{Pair, printed};
use testkit::{Certificates, Postgres, psql, require};

fn pgbench(pair: &Pair, args: &[&str]) -> String {
    let mut command = Command::new(require("pgbench", "postgresql"));
    command
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent"), ("PGHOST", "127.0.0.1")])
        .envs([("PGUSER", "postgres"), ("PGGSSENCMODE", "disable")])
        .env("PGPORT", pair.client.addr.port().to_string());
    printed(&command.args(args).arg("postgres").output().expect("pgbench is executable"))
}

fn assert_serves(pair: &Pair, sslmode: &str) {
    assert_eq!(printed(&psql(pair.client.addr.port(), sslmode, "select 6 * 7")), "42\n");
    let rows = printed(&psql(pair.client.addr.port(), sslmode, "select generate_series(1, 100000)"));
    assert_eq!(rows.lines().count(), 100_000);
    pgbench(pair, &["-i", "-q"]);
    let report = pgbench(pair, &["-c", "4", "-t", "50"]);
    assert!(report.contains("transactions actually processed: 200/200"), "{report}");
    // Older ones do not count them.
    let failed = report.lines().find(|line| line.contains("failed transactions"));
    assert!(failed.is_none_or(|line| line.contains(": 0 ")), "{report}");
}

#[test]
fn psql_and_pgbench_in_clear() {
    let server = Postgres::start();
    assert_serves(&Pair::to(format!("127.0.0.1:{}", server.port())), "disable");
}

#[test]
fn psql_and_pgbench_through_their_own_tls() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    assert_serves(&Pair::to(format!("127.0.0.1:{}", server.port())), "require");
}
