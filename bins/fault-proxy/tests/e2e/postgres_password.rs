//! PostgreSQL with SCRAM passwords, its default, through `psqls`.

use std::path::Path;
use std::process::Command;

use crate::support::{Proxy, complaint, printed, utf8};
use testkit::{Certificates, Postgres, clients, psql, require};

/// With the password that servers of these tests expect.
fn answer(proxy: &Proxy, settings: &str) -> String {
    printed(&psql(proxy.port(), &format!("{settings} password=secret"), "select 6 * 7"))
}

struct Server {
    certificates: Certificates,
    server: Postgres,
}

impl Server {
    fn start() -> Self {
        let certificates = Certificates::generate();
        Self { server: Postgres::start_scram(&certificates, "secret"), certificates }
    }

    fn proxy(&self, options: &[&str]) -> Proxy {
        let ca = ["--upstream-ca", utf8(self.certificates.ca_file())];
        Proxy::with(format!("psqls://localhost:{}", self.server.port()), &[&ca[..], options].concat())
    }

    fn proxy_with_tls(&self) -> Proxy {
        // Not the server's own certificate, with which channel binding works.
        self.proxy(&["--tls-self-signed"])
    }
}

#[test]
fn clear_clients_authenticate_in_every_mode() {
    let server = Server::start();
    for options in [
        &[][..],
        &["--with-slicer", "--slicer-size", "1B", "--slicer-direction", "both"],
        &["--data-path", "splice"],
    ] {
        let proxy = server.proxy(options);
        for sslmode in ["disable", "allow", "prefer", "disable channel_binding=disable"] {
            assert_eq!(answer(&proxy, sslmode), "42\n", "{sslmode} {options:?}");
        }
        assert_eq!(answer(&proxy, "disable replication=database"), "42\n");
        let refused = complaint(&psql(proxy.port(), "disable password=wrong", "select 1"));
        assert!(refused.contains("password authentication failed"), "{refused}");
        assert_eq!(proxy.count_to_the_end("WARN"), 0, "{}", proxy.stderr());
    }
}

/// The libpq of psycopg is newer than Debian's, and the other drivers implement SCRAM themselves.
#[test]
fn clear_clients_of_all_drivers_authenticate() {
    let server = Server::start();
    let proxy = server.proxy(&[]);
    let mut python = Command::new(require("python3", "python3"));
    python.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
    python.env("PYTHONPATH", clients::python_modules("psycopg"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/postgres.py");
    python.arg(script).args([&proxy.port().to_string(), "disable", "allow", "prefer"]);
    let answers = printed(&python.output().expect("python is executable"));
    assert_eq!(answers.lines().filter(|line| line.ends_with(" 42")).count(), 12, "{answers}");
}

#[test]
fn with_tls_on_both_legs_the_log_says_why_channel_binding_fails() {
    let server = Server::start();
    let proxy = server.proxy_with_tls();
    assert_eq!(answer(&proxy, "require channel_binding=disable"), "42\n");
    let refused =
        complaint(&psql(proxy.port(), "require channel_binding=disable password=wrong", "select 1"));
    assert!(refused.contains("password authentication failed"), "{refused}");
    let refused = complaint(&psql(proxy.port(), "require password=secret", "select 1"));
    assert!(refused.contains("channel binding check failed"), "{refused}");
    let line = proxy.wait_for_line("channel binding failed");
    assert!(line.contains("WARN") && line.contains("channel_binding=disable"), "{line}");
    assert_eq!(proxy.count_to_the_end("channel binding"), 1, "of the last client: {}", proxy.stderr());
}

/// Channel binding compares the server's certificate, which such a client is shown.
#[test]
fn with_the_servers_own_certificate_channel_binding_works() {
    let server = Server::start();
    let certificates = &server.certificates;
    let (cert, key) = (utf8(certificates.server_cert()), utf8(certificates.server_key()));
    let proxy = server.proxy(&["--tls-cert", cert, "--tls-key", key]);
    assert_eq!(answer(&proxy, "require channel_binding=require"), "42\n");
    let refused = complaint(&psql(proxy.port(), "require password=wrong", "select 1"));
    assert!(refused.contains("password authentication failed"), "{refused}");
    assert_eq!(proxy.count_to_the_end("channel binding"), 0, "{}", proxy.stderr());
}
