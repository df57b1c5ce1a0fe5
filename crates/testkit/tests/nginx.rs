//! nginx, with curl.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::{Certificates, Nginx, TcpServer, free_port, require};

/// curl's exit code for a certificate it does not trust.
const UNTRUSTED: Option<i32> = Some(60);

fn curl(args: &[&str]) -> Output {
    let output = Command::new(require("curl", "curl")).args(["-sS", "--noproxy", "*"]).args(args).output();
    output.expect("curl is executable")
}

fn site() -> TempDir {
    let root = TempDir::new().expect("the temporary directory is writable");
    fs::write(root.path().join("hello.txt"), "hello over TLS").expect("the directory is ours");
    root
}

#[test]
fn a_site_is_served_over_tls() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https(&certificates, port, root.path());
    let ca = certificates.ca_file().to_str().unwrap();
    for host in ["localhost", "127.0.0.1"] {
        for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
            let url = format!("https://{host}:{port}/hello.txt");
            let fetched = curl(&[version.as_slice(), &["-4", "--cacert", ca, &url]].concat());
            assert_eq!(String::from_utf8_lossy(&fetched.stdout), "hello over TLS", "{fetched:?}");
        }
    }
    let other = certificates.other_ca_file().to_str().unwrap();
    let refused = curl(&["--cacert", other, &format!("https://127.0.0.1:{port}/hello.txt")]);
    assert_eq!(refused.status.code(), UNTRUSTED, "{refused:?}");
}

#[test]
fn a_certificate_holds_for_its_names_alone() {
    let (certificates, root, port) = (Certificates::for_names(&["db.test"]), site(), free_port());
    let _server = Nginx::https(&certificates, port, root.path());
    let ca = certificates.ca_file().to_str().unwrap();
    let resolve = format!("db.test:{port}:127.0.0.1");
    let url = format!("https://db.test:{port}/hello.txt");
    let fetched = curl(&["--cacert", ca, "--resolve", &resolve, &url]);
    assert_eq!(String::from_utf8_lossy(&fetched.stdout), "hello over TLS", "{fetched:?}");
    let refused = curl(&["--cacert", ca, &format!("https://127.0.0.1:{port}/hello.txt")]);
    assert_eq!(refused.status.code(), UNTRUSTED, "{refused:?}");
}

#[test]
fn a_client_certificate_is_asked_for() {
    let (certificates, root, port) = (Certificates::generate(), site(), free_port());
    let _server = Nginx::https_mtls(&certificates, port, root.path());
    let ca = certificates.ca_file().to_str().unwrap();
    let cert = certificates.client_cert().to_str().unwrap();
    let key = certificates.client_key().to_str().unwrap();
    let url = format!("https://127.0.0.1:{port}/hello.txt");
    let identified = curl(&["--cacert", ca, "--cert", cert, "--key", key, &url]);
    assert_eq!(String::from_utf8_lossy(&identified.stdout), "hello over TLS", "{identified:?}");
    let anonymous = curl(&["--cacert", ca, &url]);
    assert!(String::from_utf8_lossy(&anonymous.stdout).contains("400"), "{anonymous:?}");
}

#[test]
fn a_stream_proxy_with_two_workers_ends_with_its_guard() {
    let echo = TcpServer::echo();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let config = format!(
        "worker_processes 2; events {{}} stream {{ server {{ listen {listen}; proxy_pass {}; }} }}",
        echo.addr()
    );
    let server = Nginx::start(&config, listen);
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(b"through nginx").unwrap();
    let mut reply = [0; 13];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"through nginx");

    // One worker may serve before the master has started the other one.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut pids = server.pids();
    while pids.len() < 3 {
        assert!(Instant::now() < deadline, "not a master and two workers: {pids:?}");
        pids = server.pids();
    }
    drop(server);
    let left: Vec<_> = pids.iter().filter(|pid| fs::exists(format!("/proc/{pid}")).unwrap()).collect();
    assert!(left.is_empty(), "{left:?} still run");
}
