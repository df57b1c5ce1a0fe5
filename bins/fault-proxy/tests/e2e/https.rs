//! HTTP with curl: TLS to nginx, TLS from the client, and neither.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Output},
};

use crate::support::{Proxy, printed, utf8};
use tempfile::TempDir;
use testkit::{Certificates, Nginx, Pattern, free_port, require};

const SIZE: usize = 20_000_000;

/// A directory with `hello.txt` and the large `pattern.bin`.
fn site() -> TempDir {
    let root = TempDir::new().expect("the temporary directory is writable");
    let mut pattern = vec![0; SIZE];
    Pattern::new(20).fill(0, &mut pattern);
    fs::write(root.path().join("hello.txt"), "hello\n").expect("the directory is ours");
    fs::write(root.path().join("pattern.bin"), pattern).expect("the directory is ours");
    root
}

fn curl(scheme: &str, proxy: &Proxy, file: &str, options: &[&str]) -> Output {
    Command::new(require("curl", "curl"))
        // Ignore the configuration and HTTP proxy of the user who runs the tests.
        .args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--fail", "--max-time", "60"])
        .args(options)
        .arg(format!("{scheme}://127.0.0.1:{}/{file}", proxy.port()))
        .output()
        .expect("curl is executable")
}

/// The site in clear, and where it is.
fn clear_server(root: &Path) -> (Nginx, SocketAddr) {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let config =
        format!("events {{}}\nhttp {{ server {{ listen {listen}; root '{}'; }} }}\n", root.display());
    (Nginx::start(&config, listen), listen)
}

fn assert_serves_the_site(scheme: &str, proxy: &Proxy, options: &[&str]) {
    assert_eq!(printed(&curl(scheme, proxy, "hello.txt", options)), "hello\n");
    let pattern = curl(scheme, proxy, "pattern.bin", options);
    assert!(pattern.status.success(), "{}", String::from_utf8_lossy(&pattern.stderr));
    assert_eq!(pattern.stdout.len(), SIZE);
    assert_eq!(Pattern::new(20).first_difference(0, &pattern.stdout), None);
}

#[test]
fn clear_http_is_copied_as_it_is() {
    let root = site();
    let (_server, addr) = clear_server(root.path());
    let proxy = Proxy::to(format!("http://localhost:{}", addr.port()));
    assert_serves_the_site("http", &proxy, &[]);
}

#[test]
fn a_clear_client_gets_what_a_tls_server_holds() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https(&certificates, port, root.path());
    let proxy =
        Proxy::with(format!("https://localhost:{port}"), &["--upstream-ca", utf8(certificates.ca_file())]);
    assert_serves_the_site("http", &proxy, &[]);
}

#[test]
fn a_server_that_nobody_trusts_is_an_empty_reply_for_the_client_and_a_reason_in_the_log() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https(&certificates, port, root.path());
    let proxy = Proxy::with(
        format!("https://localhost:{port}"),
        &["--upstream-ca", utf8(certificates.other_ca_file())],
    );
    let refused = curl("http", &proxy, "hello.txt", &[]);
    assert_eq!(refused.status.code(), Some(52), "an empty reply, no reset: {refused:?}");
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains("TLS as `localhost`") && line.contains("UnknownIssuer"), "{line}");
}

#[test]
fn http_on_a_leg_with_tls_is_named_in_the_log() {
    let root = site();
    let (_server, addr) = clear_server(root.path());
    let proxy = Proxy::with(format!("https://localhost:{}", addr.port()), &["--upstream-insecure"]);
    curl("http", &proxy, "hello.txt", &[]);
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains("the upstream spoke HTTP, not TLS: use http://"), "{line}");
    for scheme in ["http", "https"] {
        let proxy = Proxy::with(format!("{scheme}://localhost:{}", addr.port()), &["--tls-self-signed"]);
        curl("http", &proxy, "hello.txt", &[]);
        let line = proxy.wait_for_line("turned away");
        assert!(line.contains("the client spoke HTTP, not TLS: use https:// in the client"), "{line}");
    }
}

#[test]
fn a_server_that_asks_for_a_client_certificate_gets_the_proxys() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https_mtls(&certificates, port, root.path());
    let upstream = format!("https://localhost:{port}");
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let identity = [
        ["--upstream-cert", utf8(certificates.client_cert())],
        ["--upstream-key", utf8(certificates.client_key())],
    ]
    .concat();
    assert_serves_the_site("http", &Proxy::with(&upstream, &[&ca[..], &identity].concat()), &[]);

    let nameless = curl("http", &Proxy::with(&upstream, &ca), "hello.txt", &[]);
    let complaint = String::from_utf8_lossy(&nameless.stderr).into_owned();
    assert!(complaint.contains("400"), "{complaint}");
}

#[test]
fn a_client_over_tls_gets_what_a_clear_and_a_tls_server_hold() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _tls = Nginx::https(&certificates, port, root.path());
    let (_clear, clear) = clear_server(root.path());
    let ca = utf8(certificates.ca_file());
    for upstream in [format!("https://localhost:{port}"), format!("http://{clear}")] {
        let options = [
            ["--upstream-ca", ca],
            ["--tls-cert", utf8(certificates.server_cert())],
            ["--tls-key", utf8(certificates.server_key())],
        ]
        .concat();
        let proxy = Proxy::with(&upstream, &options);
        assert_serves_the_site("https", &proxy, &["--cacert", ca]);
        let suspicious =
            curl("https", &proxy, "hello.txt", &["--cacert", utf8(certificates.other_ca_file())]);
        assert_eq!(suspicious.status.code(), Some(60), "{suspicious:?}");
        proxy.wait_for_line("client turned away");
    }
}

#[test]
fn a_self_signed_listener_writes_the_certificate_that_clients_can_trust() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https(&certificates, port, root.path());
    let trust = root.path().join("trust.pem");
    let self_signed = format!("--tls-self-signed={}", trust.display());
    let proxy = Proxy::with(
        format!("https://localhost:{port}"),
        &["--upstream-ca", utf8(certificates.ca_file()), &self_signed],
    );
    assert_serves_the_site("https", &proxy, &["--cacert", utf8(&trust)]);
    let line = proxy.wait_for_line("clients can trust");
    assert!(line.contains(utf8(&trust)), "{line}");
}
