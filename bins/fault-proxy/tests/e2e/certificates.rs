//! Certificates of all sorts, as OpenSSL makes them, and what `--upstream-ca` and `--upstream-insecure` make of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Proxy, run, utf8};
use tempfile::TempDir;
use testkit::{Daemon, free_port, require};

/// An authority, and certificates that it signs.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(TempDir::new().expect("the temporary directory is writable"));
        fs::write(authority.file("san"), "subjectAltName=DNS:localhost\n").expect("the directory is ours");
        authority
            .openssl("req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=ca -keyout ca.key -out ca.pem");
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, args: &str) {
        let mut openssl = Command::new(require("openssl", "openssl"));
        let made =
            openssl.args(args.split(' ')).current_dir(self.0.path()).output().expect("it is executable");
        assert!(made.status.success(), "{args}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// `NAME.key` and `NAME.pem`.
    fn sign(&self, name: &str, key: &str, options: &str) {
        self.openssl(&format!(
            "req -newkey {key} -nodes -subj /CN=localhost -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -out {name}.pem{options}"
        ));
    }

    /// A server that shows `NAME.pem`, and its port.
    fn serve(&self, name: &str) -> (Daemon, u16) {
        let port = free_port();
        let (cert, key) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        let accept = format!("127.0.0.1:{port}");
        let args = ["s_server", "-accept", &accept, "-cert", utf8(&cert), "-key", utf8(&key), "-www"];
        let weak = ["-cipher", "DEFAULT@SECLEVEL=0"];
        let server = Daemon::spawn(&require("openssl", "openssl"), &[&args[..], &weak].concat(), &[]);
        server.wait_for_line("ACCEPT");
        (server, port)
    }
}

/// The exit code of `check` and what it prints of the upstream.
fn check(port: u16, options: &[&str]) -> (Option<i32>, String) {
    let mapping = format!("{}=tls://localhost:{port}", free_port());
    let ended = run(&[&["check", "--control", "off", "--proxy", &mapping], options].concat());
    (ended.code, ended.stdout + &ended.stderr)
}

#[test]
fn insecure_takes_every_certificate_and_ca_says_what_is_wrong_with_it() {
    let authority = Authority::new();
    let ca = authority.file("ca.pem");
    for (name, key, options, words) in [
        ("good", "rsa:2048", " -extfile san", &[][..]),
        ("v1", "rsa:2048", "", &["X.509 version 1", "subjectAltName=DNS:NAME"]),
        ("weak", "rsa:1024", " -extfile san", &["RSA key of 1024 bits", "openssl req -newkey rsa:2048"]),
        ("p521", "ec -pkeyopt ec_paramgen_curve:P-521", " -extfile san", &["P-256 or P-384"]),
        ("sha1", "rsa:2048", " -extfile san -sha1", &["SHA-1", "openssl x509 -req -sha256"]),
    ] {
        authority.sign(name, key, options);
        let (_server, port) = authority.serve(name);
        let (code, told) = check(port, &["--upstream-ca", utf8(&ca)]);
        assert_eq!(code, Some(i32::from(!words.is_empty())), "{name}: {told}");
        assert!(words.iter().all(|words| told.contains(words)), "{name}: {words:?}: {told}");
        let (code, told) = check(port, &["--upstream-insecure"]);
        assert_eq!(code, Some(0), "{name}: {told}");
    }
}

/// As PostgreSQL's manual makes it: an authority without alternative names.
#[test]
fn a_self_signed_certificate_is_trusted_by_itself() {
    let authority = Authority::new();
    let selfsigned = "req -new -x509 -days 9 -nodes -newkey rsa:2048 -subj /CN=localhost";
    authority.openssl(&format!("{selfsigned} -out self.pem -keyout self.key"));
    authority.openssl(&format!("{selfsigned} -out stranger.pem -keyout stranger.key"));
    let trusted = authority.file("self.pem");
    let (_server, port) = authority.serve("self");
    let (code, told) = check(port, &["--upstream-ca", utf8(&trusted)]);
    assert_eq!(code, Some(0), "{told}");
    let (_stranger, port) = authority.serve("stranger");
    let (code, told) = check(port, &["--upstream-ca", utf8(&trusted)]);
    assert_eq!(code, Some(1), "{told}");
}

#[test]
fn certificates_and_keys_of_the_listener_that_cannot_be_used_are_explained() {
    let authority = Authority::new();
    authority.sign("v1", "rsa:2048", "");
    authority.sign("weak", "rsa:1024", " -extfile san");
    authority.sign("good", "rsa:2048", " -extfile san");
    authority.openssl("pkey -in good.key -aes256 -passout pass:secret -out encrypted.key");
    for (cert, key, words) in [
        ("v1.pem", "v1.key", "X.509 version 1"),
        ("weak.pem", "weak.key", "RSA key of 1024 bits"),
        ("good.pem", "encrypted.key", "encrypted private key"),
    ] {
        let (cert, key) = (authority.file(cert), authority.file(key));
        let (code, told) = check(1, &["--tls-cert", utf8(&cert), "--tls-key", utf8(&key)]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(words), "{words}: {told}");
    }
    let (cert, key) = (authority.file("good.pem"), authority.file("good.key"));
    Proxy::with("tcp://localhost:9", &["--tls-cert", utf8(&cert), "--tls-key", utf8(&key)]);
}
