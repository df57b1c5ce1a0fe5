//! Names of proxies, and listen addresses that are names.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use crate::support::api::{Api, connect};
use crate::support::{self, round_trip, utf8};
use serde_json::json;
use tempfile::TempDir;
use testkit::{TcpServer, free_port};

/// The addresses of localhost that this machine has. IPv6 may be switched off.
fn of_localhost(port: u16) -> Vec<SocketAddr> {
    let all = ("localhost", port).to_socket_addrs().expect("a name that every machine has");
    all.filter(|addr| TcpListener::bind((addr.ip(), 0)).is_ok()).collect()
}

#[test]
fn a_name_is_listened_on_at_every_address_it_has() {
    let echo = TcpServer::echo();
    let port = free_port();
    let mapping = format!("localhost:{port}={}", echo.addr());
    let api = Api::on("localhost:0", &["--proxy", &mapping]);
    let control: SocketAddr = api.addr.parse().expect("an address and its port");
    for addr in of_localhost(control.port()) {
        TcpStream::connect(addr).unwrap_or_else(|error| panic!("no control API on {addr}: {error}"));
    }
    let made = api.post(
        "/proxies",
        &json!({"name": "p", "listen": "localhost:0", "upstream": echo.addr().to_string()}),
    );
    let listen: SocketAddr =
        made["listen"].as_str().and_then(|listen| listen.parse().ok()).expect("an address");
    assert!(listen.is_ipv4(), "{made}");
    for addr in of_localhost(port).into_iter().chain(of_localhost(listen.port())) {
        round_trip(&connect(addr), b"here").unwrap_or_else(|error| panic!("{addr}: {error}"));
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("bound");
    let control = format!("localhost:{}", taken.port());
    let mapping = format!("{control}=127.0.0.1:9");
    let free = format!("{}=127.0.0.1:9", free_port());
    for (what, control, mapping) in [("--control", &*control, &free), ("--proxy", "off", &mapping)] {
        let ended = support::run(&["run", "--control", control, "--proxy", mapping]);
        assert_eq!(ended.code, Some(1), "{what}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("cannot listen on {taken} for {what}")), "{}", ended.stderr);
    }
}

#[test]
fn an_ipv6_zone_is_refused_with_a_hint() {
    const ZONE: &str = "[fe80::1%lo]:8080";
    let api = Api::alone();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("toxiproxy.json");
    for (listen, upstream) in [(ZONE, "127.0.0.1:9"), ("127.0.0.1:0", ZONE)] {
        let proxy = json!({"name": "p", "listen": listen, "upstream": upstream});
        let (status, answer) = api.ask("POST", "/proxies", &proxy);
        let error = answer["error"].as_str().expect("an error");
        assert!(status == 400 && error.contains(ZONE) && error.contains("without a zone"), "{answer}");
        fs::write(&file, json!([proxy]).to_string()).expect("the directory is ours");
        let ended = support::run(&["run", "--control", "off", "--toxiproxy-config", support::utf8(&file)]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("without a zone"), "{}", ended.stderr);
    }
}

#[test]
fn a_proxy_is_called_the_same_wherever_its_name_is_set() {
    let (echo, port) = (TcpServer::echo(), free_port());
    let mapping = format!("{port}={}", echo.addr());
    let directory = TempDir::new().expect("a temporary directory");
    let file = |text: String| {
        let path = directory.path().join(format!("{}.toml", text.len()));
        fs::write(&path, text).expect("the directory is ours");
        path
    };
    let of_file = [
        file(format!("[[proxies]]\nname = \"cache\"\nproxy = \"{mapping}\"\n")),
        file(format!("[[proxies]]\nname = \"cache\"\nlisten = \"{port}\"\nupstream = \"{}\"\n", echo.addr())),
        file(format!("[[proxies]]\nproxy = \"cache@{mapping}\"\n")),
    ];
    let of_flag = format!("cache@{mapping}");
    let sources = of_file.iter().map(|file| ["--config", utf8(file)]).chain([["--proxy", &of_flag]]);
    for source in sources {
        let checked = support::run(&[&["check"][..], &source].concat());
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let row = format!("cache\t127.0.0.1:{port}\t{}, connected in", echo.addr());
        assert!(checked.stdout.contains(&row), "{source:?}: {}", checked.stdout);
        let ended = support::run(&[&["run", "--control", "off", "--duration", "0.1s"][..], &source].concat());
        let line = format!("listening on 127.0.0.1:{port} for {of_flag}");
        assert!(ended.stderr.contains(&line), "{source:?}: {}", ended.stderr);

        let taken = TcpListener::bind(("127.0.0.1", port)).expect("the run has ended");
        let refused = support::run(&[&["run", "--control", "off"][..], &source].concat());
        let problem = format!("cannot listen on 127.0.0.1:{port} for --proxy {of_flag}");
        assert!(refused.stderr.contains(&problem), "{source:?}: {}", refused.stderr);
        drop(taken);
    }
}
