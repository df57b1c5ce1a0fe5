//! PostgreSQL, with the real client.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::Output,
    thread,
    time::{Duration, Instant},
};
use testkit::session::printed;
use testkit::{Certificates, Postgres, psql};

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "psql was let in");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn cleartext_alone() {
    let server = Postgres::start();
    assert_eq!(printed(&psql(server.port(), "disable", "select 6 * 7")), "42\n");
    let refused = refusal(&psql(server.port(), "require", "select 1"));
    assert!(refused.contains("server does not support SSL"), "{refused}");

    // Send SSLRequest. On a unix socket, a server always responds with `N`.
    let mut socket = UnixStream::connect(server.unix_socket()).unwrap();
    socket.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).unwrap();
    let mut answer = [0];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N");

    assert!(server.pids().len() > 1, "background processes are counted");
    let port = server.port();
    drop(server);
    refusal(&psql(port, "disable", "select 1"));
}

#[test]
fn tls_alone() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let encrypted = "select version from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(printed(&psql(server.port(), "require", encrypted)), "TLSv1.3\n");
    let refused = refusal(&psql(server.port(), "disable", "select 1"));
    assert!(refused.contains("no encryption"), "{refused}");

    let trusting = |ca| format!("verify-full sslrootcert={ca}");
    let ours = trusting(certificates.ca_file().display());
    assert_eq!(printed(&psql(server.port(), &ours, "select 1")), "1\n");
    let other = trusting(certificates.other_ca_file().display());
    let refused = refusal(&psql(server.port(), &other, "select 1"));
    assert!(refused.contains("certificate verify failed"), "{refused}");
}

#[test]
fn a_client_certificate_is_asked_for_and_the_server_ends_with_its_thread() {
    let certificates = Certificates::generate();
    thread::scope(|scope| {
        // The kernel shuts a server of a killed test down by a signal, which must release the shared memory.
        let server = scope
            .spawn(|| {
                let server = Postgres::start_mtls(&certificates);
                let identified = format!(
                    "require sslcert={} sslkey={}",
                    certificates.client_cert().display(),
                    certificates.client_key().display()
                );
                assert_eq!(printed(&psql(server.port(), &identified, "select 1")), "1\n");
                let refused = refusal(&psql(server.port(), "require", "select 1"));
                assert!(refused.contains("valid client certificate"), "{refused}");
                server
            })
            .join()
            .unwrap();
        wait_for_shutdown(&server);
    });
}

fn wait_for_shutdown(server: &Postgres) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !server.output().contains("database system is shut down") {
        assert!(Instant::now() < deadline, "still running:\n{}", server.output());
        thread::sleep(Duration::from_millis(20));
    }
}
