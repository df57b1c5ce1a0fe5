//! PostgreSQL with its own clients, through `psql` and `psqls`.

use std::process::{Command, Stdio};

use crate::support::{Proxy, complaint, eventually, printed, utf8};
use rustix::process::{Pid, kill_process};
use testkit::{Certificates, Haproxy, Postgres, Signal, free_port, psql, require};

/// Prints `t` when the server's side of the connection is encrypted.
const IS_ENCRYPTED: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

fn answer(proxy: &Proxy, sslmode: &str, sql: &str) -> String {
    printed(&psql(proxy.port(), sslmode, sql))
}

/// Returns a PostgreSQL client that ignores the settings of the user who runs the tests.
fn libpq(program: &str, debian_package: &str, proxy: &Proxy, sslmode: &str) -> Command {
    let mut command = Command::new(require(program, debian_package));
    command
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent"), ("PGHOST", "127.0.0.1")])
        .envs([("PGUSER", "postgres"), ("PGSSLMODE", sslmode), ("PGGSSENCMODE", "disable")])
        .env("PGPORT", proxy.port().to_string());
    command
}

/// Returns the report of pgbench through a proxy.
pub(crate) fn pgbench(proxy: &Proxy, sslmode: &str, args: &[&str]) -> String {
    let mut command = libpq("pgbench", "postgresql", proxy, sslmode);
    printed(&command.args(args).arg("postgres").output().expect("pgbench is executable"))
}

fn bench(proxy: &Proxy, sslmode: &str) {
    pgbench(proxy, sslmode, &["-i", "-q"]);
    let report = pgbench(proxy, sslmode, &["-c", "4", "-t", "50"]);
    assert!(report.contains("transactions actually processed: 200/200"), "{report}");
    let failed = report.lines().find(|line| line.contains("failed transactions"));
    assert!(failed.is_none_or(|line| line.contains(": 0 ")), "{report}");
}

#[test]
fn a_cleartext_server_through_psql_and_its_unix_socket() {
    let server = Postgres::start();
    let proxy = Proxy::to(format!("psql://localhost:{}", server.port()));
    assert_eq!(answer(&proxy, "disable", "select 6 * 7"), "42\n");
    assert_eq!(answer(&proxy, "prefer", IS_ENCRYPTED), "f\n");
    bench(&proxy, "disable");

    let unix = Proxy::to(format!("unix:{}", server.unix_socket().display()));
    assert_eq!(answer(&unix, "prefer", "select inet_server_addr() is null"), "t\n");
}

#[test]
fn a_server_without_tls_is_not_reached_through_psqls() {
    let server = Postgres::start();
    let proxy = Proxy::to(format!("psqls://localhost:{}", server.port()));
    complaint(&psql(proxy.port(), "disable", "select 1"));
    proxy.wait_for_line("does not offer TLS (it answered `N`");
}

#[test]
fn psqls_encrypts_to_the_server_what_its_clients_send_in_clear() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let proxy = Proxy::with(
        format!("psqls://localhost:{}", server.port()),
        &["--upstream-ca", utf8(certificates.ca_file())],
    );
    for sslmode in ["disable", "prefer"] {
        assert_eq!(answer(&proxy, sslmode, IS_ENCRYPTED), "t\n", "{sslmode}");
    }
    let refused = complaint(&psql(proxy.port(), "require", "select 1"));
    assert!(refused.contains("server does not support SSL"), "{refused}");
    bench(&proxy, "prefer");
}

#[test]
fn a_query_is_canceled_through_a_second_session() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let upstream = format!("psqls://localhost:{}", server.port());
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let (cert, key) = (utf8(certificates.server_cert()), utf8(certificates.server_key()));
    let tls = [&ca[..], &["--tls-cert", cert, "--tls-key", key]].concat();
    assert_cancels(&Proxy::with(&upstream, &ca), "prefer");
    // libpq asks for the canceling in clear, also where its session is encrypted.
    assert_cancels(&Proxy::with(&upstream, &tls), "require");
}

fn assert_cancels(proxy: &Proxy, sslmode: &str) {
    const QUERY: &str = "select pg_sleep(600)";
    let client = libpq("psql", "postgresql-client", proxy, sslmode)
        .args(["-X", "-c", QUERY, "postgres"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is executable");
    let running =
        format!("select count(*) from pg_stat_activity where state = 'active' and query = '{QUERY}'");
    eventually("the query runs", || answer(proxy, sslmode, &running) == "1\n");
    kill_process(Pid::from_child(&client), Signal::INT).expect("psql waits");
    let canceled = complaint(&client.wait_with_output().expect("it ends"));
    assert!(canceled.contains("canceling statement due to user request"), "{canceled}");
}

#[test]
fn psql_lets_a_clients_own_tls_pass_through() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let proxy = Proxy::to(format!("psql://localhost:{}", server.port()));
    assert_eq!(answer(&proxy, "require", IS_ENCRYPTED), "t\n");
    let verifying = format!("verify-full sslrootcert={}", utf8(certificates.ca_file()));
    assert_eq!(answer(&proxy, &verifying, IS_ENCRYPTED), "t\n");
    let refused = complaint(&psql(proxy.port(), "disable", "select 1"));
    assert!(refused.contains("no encryption"), "{refused}");
    bench(&proxy, "require");
}

#[test]
fn a_certificate_of_another_authority_is_refused_unless_told_to_accept_any() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let upstream = format!("psqls://localhost:{}", server.port());

    let proxy = Proxy::with(&upstream, &["--upstream-ca", utf8(certificates.other_ca_file())]);
    complaint(&psql(proxy.port(), "disable", "select 1"));
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains("TLS as `localhost`") && line.contains("UnknownIssuer"), "{line}");

    let insecure = Proxy::with(&upstream, &["--upstream-insecure"]);
    assert_eq!(answer(&insecure, "disable", IS_ENCRYPTED), "t\n");
    let warning = insecure.wait_for_line("NOT verified");
    assert!(warning.contains("WARN"), "{warning}");
}

#[test]
fn a_certificate_of_another_name_is_refused_unless_that_name_is_asked_for() {
    let certificates = Certificates::for_names(&["other.example"]);
    let server = Postgres::start_tls(&certificates);
    let upstream = format!("psqls://localhost:{}", server.port());
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];

    let proxy = Proxy::with(&upstream, &ca);
    complaint(&psql(proxy.port(), "disable", "select 1"));
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains("TLS as `localhost`") && line.contains("not valid for name"), "{line}");

    let renamed = Proxy::with(&upstream, &[&ca[..], &["--upstream-sni", "other.example"]].concat());
    assert_eq!(answer(&renamed, "disable", IS_ENCRYPTED), "t\n");
}

#[test]
fn a_server_that_asks_for_a_client_certificate_gets_the_proxys() {
    let certificates = Certificates::generate();
    let server = Postgres::start_mtls(&certificates);
    let upstream = format!("psqls://localhost:{}", server.port());
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let identity = [
        ["--upstream-cert", utf8(certificates.client_cert())],
        ["--upstream-key", utf8(certificates.client_key())],
    ]
    .concat();

    let proxy = Proxy::with(&upstream, &[&ca[..], &identity].concat());
    let subject = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(answer(&proxy, "prefer", subject), "/CN=testkit client\n");

    let nameless = Proxy::with(&upstream, &ca);
    let refused = complaint(&psql(nameless.port(), "prefer", "select 1"));
    assert!(refused.contains("requires a valid client certificate"), "{refused}");
}

#[test]
fn direct_tls_is_opened_with_the_protocol_that_postgresql_17_expects() {
    let certificates = Certificates::generate();
    let server = Postgres::start();
    let port = free_port();
    let _front = Haproxy::pg_direct_tls(&certificates, port, server.port());
    let proxy = Proxy::with(
        format!("psqls://localhost:{port}"),
        &["--psqls-direct", "--upstream-ca", utf8(certificates.ca_file())],
    );
    for sslmode in ["disable", "prefer"] {
        assert_eq!(answer(&proxy, sslmode, "select 6 * 7"), "42\n", "{sslmode}");
    }
}

#[test]
fn a_listener_with_tls_takes_clients_that_verify_it_and_tells_others_what_it_expects() {
    let certificates = Certificates::generate();
    let (clear, encrypted) = (Postgres::start(), Postgres::start_tls(&certificates));
    let verifying = format!("verify-full sslrootcert={}", utf8(certificates.ca_file()));
    for (upstream, upstream_is_encrypted) in [
        (format!("psql://localhost:{}", clear.port()), "f\n"),
        (format!("psqls://localhost:{}", encrypted.port()), "t\n"),
    ] {
        let options = [
            ["--upstream-ca", utf8(certificates.ca_file())],
            ["--tls-cert", utf8(certificates.server_cert())],
            ["--tls-key", utf8(certificates.server_key())],
        ]
        .concat();
        let proxy = Proxy::with(&upstream, &options);
        assert_eq!(answer(&proxy, &verifying, IS_ENCRYPTED), upstream_is_encrypted, "{upstream}");
        let refused = complaint(&psql(proxy.port(), "disable", "select 1"));
        assert!(refused.contains("FATAL:  this listener expects TLS"), "{upstream}: {refused}");
        proxy.wait_for_line("client turned away: the client does not request TLS");
    }
}
