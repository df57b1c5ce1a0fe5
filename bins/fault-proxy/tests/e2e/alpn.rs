//! HTTP/2 and gRPC, which need ALPN.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Proxy, printed, run, utf8};
use tempfile::TempDir;
use testkit::{Certificates, Daemon, Nginx, clients, free_port, require};

/// Prints the version of HTTP that was spoken.
fn curl(scheme: &str, proxy: &Proxy, options: &[&str]) -> Output {
    Command::new(require("curl", "curl"))
        .args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--fail", "--max-time", "60"])
        .args(["--insecure", "--output", "/dev/null", "--write-out", "%{http_version}"])
        .args(options)
        .arg(format!("{scheme}://127.0.0.1:{}/hello.txt", proxy.port()))
        .output()
        .expect("curl is executable")
}

fn site() -> TempDir {
    let root = TempDir::new().expect("the temporary directory is writable");
    fs::write(root.path().join("hello.txt"), "hello\n").expect("the directory is ours");
    root
}

/// HTTP/2, and HTTP/1.1 where there is TLS to choose by.
fn server(root: &Path, certificates: Option<&Certificates>) -> (Nginx, u16) {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let (tls, files) = match certificates {
        None => ("", String::new()),
        Some(it) => {
            let (cert, key) = (it.server_cert().display(), it.server_key().display());
            (" ssl", format!("ssl_certificate {cert}; ssl_certificate_key {key};"))
        }
    };
    let config = format!(
        "events {{}}\nhttp {{ server {{ listen {listen}{tls} http2; {files} root '{}'; }} }}\n",
        root.display()
    );
    (Nginx::start(&config, listen), listen.port())
}

#[test]
fn curl_chooses_its_version_through_two_tls_legs() {
    let (root, certificates) = (site(), Certificates::generate());
    let (_server, port) = server(root.path(), Some(&certificates));
    let options = ["--tls-self-signed", "--upstream-ca", utf8(certificates.ca_file())];
    for scheme in ["https", "tls"] {
        for faults in [&[][..], &["--with-slicer", "--slicer-size", "7B"]] {
            let proxy = Proxy::with(format!("{scheme}://localhost:{port}"), &[&options, faults].concat());
            assert_eq!(printed(&curl("https", &proxy, &["--http2"])), "2");
            assert_eq!(printed(&curl("https", &proxy, &["--http1.1"])), "1.1");
            assert_eq!(printed(&curl("https", &proxy, &["--no-alpn"])), "1.1");
        }
    }
}

#[test]
fn curl_without_tls_speaks_http_2_to_an_upstream_that_is_offered_it() {
    let (root, certificates) = (site(), Certificates::generate());
    let (_server, port) = server(root.path(), Some(&certificates));
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let proxy = Proxy::with(
        format!("https://localhost:{port}"),
        &[&ca[..], &["--upstream-alpn", "h2,http/1.1"]].concat(),
    );
    assert_eq!(printed(&curl("http", &proxy, &["--http2-prior-knowledge"])), "2");
}

#[test]
fn curl_speaks_http_2_to_a_clear_upstream() {
    let root = site();
    let (_server, port) = server(root.path(), None);
    let clear = Proxy::to(format!("http://localhost:{port}"));
    assert_eq!(printed(&curl("http", &clear, &["--http2-prior-knowledge"])), "2");
    let proxy =
        Proxy::with(format!("http://localhost:{port}"), &["--tls-self-signed", "--tls-alpn", "h2,http/1.1"]);
    assert_eq!(printed(&curl("https", &proxy, &["--http2"])), "2");
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/grpc_echo.py");

/// A server that echoes, with TLS unless its files are `-`.
fn grpc_server(cert: &str, key: &str) -> (Daemon, u16) {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let modules = clients::python_modules("grpc");
    let server = Daemon::spawn(
        &require("python3", "python3"),
        &[SCRIPT, "server", &address, cert, key],
        &[("PYTHONPATH", utf8(&modules))],
    );
    server.wait_for_line("serving");
    (server, port)
}

/// The answer to one call through the proxy.
fn call(proxy: &Proxy, ca: &str) -> String {
    let mut client = Command::new(require("python3", "python3"));
    client.args([SCRIPT, "client", &format!("localhost:{}", proxy.port()), ca]);
    client.env("PYTHONPATH", clients::python_modules("grpc"));
    printed(&client.output().expect("python is executable"))
}

#[test]
fn grpc_calls_pass_through_tls_on_either_leg_and_both() {
    let (certificates, directory) = (Certificates::generate(), TempDir::new().expect("a directory"));
    let (cert, key) = (utf8(certificates.server_cert()), utf8(certificates.server_key()));
    let (_encrypted, tls) = grpc_server(cert, key);
    let (_clear, clear) = grpc_server("-", "-");
    let copy = directory.path().join("proxy.pem");
    let self_signed = format!("--tls-self-signed={}", copy.display());
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];

    let both = Proxy::with(format!("https://localhost:{tls}"), &[&ca[..], &[&self_signed]].concat());
    assert_eq!(call(&both, utf8(&copy)), "echo\n");
    let to_clear = Proxy::with(format!("tcp://localhost:{clear}"), &[&self_signed, "--tls-alpn", "h2"]);
    assert_eq!(call(&to_clear, utf8(&copy)), "echo\n");
    let options = [&ca[..], &["--upstream-alpn", "h2"]].concat();
    let to_tls = Proxy::with(format!("tls://localhost:{tls}"), &options);
    assert_eq!(call(&to_tls, "-"), "echo\n");
    assert_eq!(call(&Proxy::to(format!("localhost:{clear}")), "-"), "echo\n");
}

#[test]
fn lists_for_clients_that_have_no_use_for_them_are_refused() {
    for (options, complaint) in [
        (&["--tls-alpn", "h2"][..], "--tls-alpn requires --tls-cert or --tls-self-signed"),
        (&["--tls-self-signed", "--upstream-alpn", "h2"], "--upstream-alpn is for clients without TLS"),
        (&["--upstream-alpn", "h2,"], "expected 1 to 255"),
    ] {
        let ended =
            run(&[&["check", "--control", "off", "--proxy", "1=https://localhost"], options].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
    }
}
