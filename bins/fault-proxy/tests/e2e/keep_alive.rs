//! Keep-alive on both connections of a session that lasts.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::support::{Proxy, eventually, round_trip, tls_before, utf8};
use testkit::{Certificates, Postgres, TcpServer, require};

/// The timer of a connection that waits for its next keep-alive probe (`tr` in proc_pid_net(5)).
const KEEP_ALIVE_TIMER: &str = "02";

/// The timers of the open connections whose local (`column` 1) or remote (2) port is `port`, over IPv4.
fn timers(column: usize, port: u16) -> Vec<String> {
    const OPEN: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let rows = table.lines().skip(1).map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    let matches = rows.filter(|row| row[column].ends_with(&format!(":{port:04X}")) && row[3] == OPEN);
    matches.map(|row| row[5].split(':').next().unwrap_or_default().to_owned()).collect()
}

/// Once the session through `proxy` to `upstream` is a few seconds old.
fn assert_keep_alive(proxy: &Proxy, upstream: u16) {
    for (what, column, port) in [("the client", 1, proxy.port()), ("the upstream", 2, upstream)] {
        eventually(&format!("keep-alive towards {what} of {}", proxy.mapping), || {
            timers(column, port) == [KEEP_ALIVE_TIMER]
        });
    }
}

#[test]
fn tcp_and_tls_upstreams_get_keep_alive_with_and_without_faults() {
    let certificates = Certificates::generate();
    // HAProxy is a client of the second.
    let (far_end, behind_tls) = (TcpServer::echo(), TcpServer::echo());
    let (_haproxy, tls) = tls_before(behind_tls.addr(), &certificates);
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    for options in [&[][..], &["--with-latency", "--latency-mean", "1ms"]] {
        let sessions = [
            (Proxy::with(far_end.addr(), options), far_end.addr().port()),
            (Proxy::with(format!("tls://localhost:{tls}"), &[&ca, options].concat()), tls),
        ]
        .map(|(proxy, upstream)| {
            let client = proxy.connect();
            round_trip(&client, b"open").expect("relayed");
            (proxy, upstream, client)
        });
        for (proxy, upstream, _client) in &sessions {
            assert_keep_alive(proxy, *upstream);
        }
    }
}

/// Ends with the test.
struct Psql(Child);

impl Drop for Psql {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn psqls_upstreams_get_keep_alive() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let proxy = Proxy::with(format!("psqls://localhost:{}", server.port()), &ca);
    let target = format!("host=127.0.0.1 port={} user=postgres sslmode=disable", proxy.port());
    let psql = Command::new(require("psql", "postgresql-client"))
        .args(["-X", "-w", &target, "-c", "select pg_sleep(3600)"])
        .stdout(Stdio::null())
        .spawn();
    let _psql = Psql(psql.expect("psql is executable"));
    assert_keep_alive(&proxy, server.port());
}
