//! How a run ends: drained, at its deadline, at a second signal, by itself.

use std::{
    io::{ErrorKind, Read},
    net::{Shutdown, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::support::api::Api;
use crate::support::{PATIENCE, Proxy, ending, eventually, patient, round_trip, run};
use serde_json::json;
use testkit::{Signal, TcpServer, abort, free_port};

/// The mapping's counts in the final table: sessions, bytes to upstream, bytes to client, aborted, errors.
fn summary(proxy: &Proxy, mapping: &str) -> String {
    let stdout = proxy.stdout();
    let row = stdout.lines().find(|line| line.split_whitespace().next() == Some(mapping));
    let row = row.unwrap_or_else(|| panic!("no row of {mapping} in:\n{stdout}"));
    row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_signal_ends_the_listening_and_lets_sessions_finish() {
    let far_end = TcpServer::echo();
    for signal in [Signal::INT, Signal::TERM] {
        let proxy = Proxy::to(far_end.addr());
        let client = proxy.connect();
        round_trip(&client, b"before").unwrap();
        proxy.signal(signal);
        // Connecting to find out could be a session more.
        eventually("the port is given up", || TcpListener::bind(proxy.addr).is_ok());
        let refused = TcpStream::connect(proxy.addr).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        round_trip(&client, b"afterwards").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ending(&client), Ok(()));
        assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
        assert_eq!(summary(&proxy, &proxy.mapping), "1 16 16 0 0");
    }
}

#[test]
fn the_summary_tells_clean_aborted_and_failed_sessions_apart() {
    let far_end = TcpServer::echo();
    let resetting = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0]).expect("the client says something");
        abort(stream);
    });
    let nobody = format!("127.0.0.1:{}", free_port());
    let more = [format!("{}={}", free_port(), resetting.addr()), format!("{}={nobody}", free_port())];
    let options: Vec<&str> = more.iter().flat_map(|mapping| ["--proxy", mapping]).collect();
    let proxy = Proxy::with(far_end.addr(), &options);
    proxy.wait_for_line(&format!("for {}", more[1]));
    for _ in 0..3 {
        round_trip(&proxy.connect(), b"ping").unwrap();
    }
    for mapping in &more {
        let port: u16 = mapping.split('=').next().unwrap().parse().unwrap();
        let visit =
            TcpStream::connect(("127.0.0.1", port)).map(patient).and_then(|stream| round_trip(&stream, b"!"));
        assert!(visit.is_err(), "{mapping} answers");
    }
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));

    assert_eq!(summary(&proxy, &proxy.mapping), "3 12 12 0 0");
    assert_eq!(summary(&proxy, &more[0]), "1 1 0 1 0");
    assert_eq!(summary(&proxy, &more[1]), "1 0 0 0 1");
}

#[test]
fn sessions_left_at_the_end_of_the_drain_are_reset() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--drain-timeout", "1s"]);
    let client = proxy.connect();
    round_trip(&client, b"before").unwrap();
    proxy.signal(Signal::TERM);
    assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
    assert_eq!(summary(&proxy, &proxy.mapping), "1 6 6 1 0");
}

#[test]
fn nothing_is_opened_while_a_run_drains() {
    let far_end = TcpServer::echo();
    let upstream = far_end.addr().to_string();
    let [open, disabled, new] = [(); 3].map(|()| free_port());
    let proxy = |name: &str, port: u16, is_enabled: bool| {
        let listen = format!("127.0.0.1:{port}");
        json!({"name": name, "listen": listen, "upstream": upstream, "enabled": is_enabled})
    };
    let api = Api::with(&["--drain-timeout", "1h"]);
    api.post("/proxies", &proxy("open", open, true));
    api.post("/proxies", &proxy("disabled", disabled, false));
    // With this many sessions, almost every thread has one. Threads without a session end immediately.
    let clients = [(); 16].map(|()| {
        let client = patient(TcpStream::connect(("127.0.0.1", open)).expect("it listens"));
        round_trip(&client, b"before").unwrap();
        client
    });
    api.signal(Signal::TERM);
    api.wait_for_line("SIGTERM: draining");

    for (path, body, port) in [
        ("/proxies", proxy("new", new, true), new),
        ("/proxies/disabled", json!({"enabled": true}), disabled),
    ] {
        let (status, answer) = api.ask("POST", path, &body);
        assert_eq!((status, &answer["error"]), (500, &json!("the run is shutting down")));
        let refused = TcpStream::connect(("127.0.0.1", port)).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    for client in &clients {
        round_trip(client, b"afterwards").unwrap();
    }
    drop(clients);
    assert_eq!(api.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--drain-timeout", "1h"]);
    let client = proxy.connect();
    round_trip(&client, b"before").unwrap();
    proxy.signal(Signal::INT);
    proxy.wait_for_line("SIGINT: draining for up to 1h; a second signal resets the open sessions");
    proxy.signal(Signal::TERM);
    assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
    proxy.wait_for_line("SIGTERM: resetting");
}

#[test]
fn a_run_with_a_duration_ends_by_itself() {
    for duration in ["2s", "2"] {
        let started = Instant::now();
        let mapping = format!("{}=localhost:80", free_port());
        let ended = run(&["run", "--proxy", &mapping, "--duration", duration]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(started.elapsed() >= Duration::from_secs(2), "{duration} took {:?}", started.elapsed());
        assert!(ended.stdout.contains(&mapping), "{}", ended.stdout);
    }
}
