//! Memory, descriptors and sessions stay within their limits, and nothing is lost at them.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr},
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use crate::support::api::{Api, connect, create};
use crate::support::{PATIENCE, Proxy, eventually, fill, patient, receive, round_trip, tls_before, utf8};
use testkit::{Certificates, Pattern, Signal, TcpServer, open_descriptors, resident_bytes};

#[test]
fn upstreams_that_do_not_read_cost_little_memory_and_miss_nothing() {
    for data_path in ["copy", "splice"] {
        assert_stalls_are_cheap(|upstream| Proxy::with(upstream, &["--data-path", data_path]));
    }
}

#[test]
fn upstreams_that_do_not_read_over_tls_cost_little_memory_and_miss_nothing() {
    let certificates = Certificates::generate();
    let mut front = None;
    assert_stalls_are_cheap(|upstream| {
        let (_, port) = front.insert(tls_before(upstream, &certificates));
        Proxy::with(format!("tls://localhost:{port}"), &["--upstream-ca", utf8(certificates.ca_file())])
    });
}

/// Sends as much as goes to upstreams that read nothing, asks for the proxy's memory, then lets them read.
fn assert_stalls_are_cheap(proxy_to: impl FnOnce(SocketAddr) -> Proxy) {
    const SESSIONS: usize = 8;
    const BOUND: u64 = 16 << 20;
    let pattern = Arc::new(Pattern::new(8));
    let gate = Arc::new(Barrier::new(SESSIONS + 1));
    let (outcome, outcomes) = mpsc::channel();
    let far_end = {
        let (pattern, gate) = (Arc::clone(&pattern), Arc::clone(&gate));
        TcpServer::start(move |stream| {
            gate.wait();
            outcome.send(receive(&stream, &pattern, 0)).ok();
        })
    };
    let proxy = proxy_to(far_end.addr());
    let before = resident_bytes(proxy.pid());

    let clients: Vec<_> = (0..SESSIONS).map(|_| proxy.connect()).collect();
    let mut sent: Vec<u64> = thread::scope(|scope| {
        let filling: Vec<_> = clients.iter().map(|client| scope.spawn(|| fill(client, &pattern))).collect();
        filling.into_iter().map(|filling| filling.join().expect("a client fills")).collect()
    });
    assert!(sent.iter().all(|&sent| sent > 1 << 20), "the proxy took something from each: {sent:?}");
    let grown = resident_bytes(proxy.pid()).saturating_sub(before);
    assert!(grown < BOUND, "{SESSIONS} stalled sessions hold {grown} bytes");

    gate.wait();
    for client in &clients {
        client.shutdown(Shutdown::Write).expect("it is connected");
    }
    let received = || outcomes.recv_timeout(PATIENCE).expect("an end").expect("nothing is changed");
    let mut received: Vec<u64> = (0..SESSIONS).map(|_| received()).collect();
    sent.sort_unstable();
    received.sort_unstable();
    assert_eq!(received, sent);
}

#[test]
fn a_client_beyond_the_most_sessions_waits_and_is_served_once_one_leaves() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--max-sessions", "2"]);
    let served = [proxy.connect(), proxy.connect()];
    for client in &served {
        round_trip(client, b"in").unwrap();
    }
    let mut third = proxy.connect();
    third.write_all(b"waiting").unwrap();
    third.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut reply = [0; 7];
    assert_eq!(third.read(&mut reply).unwrap_err().kind(), ErrorKind::WouldBlock);

    drop(served);
    let mut third = patient(third);
    third.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"waiting");
}

#[test]
fn a_mapping_at_the_limit_leaves_places_for_another() {
    let echo = TcpServer::echo();
    let api = Api::with(&["--max-sessions", "16"]);
    let (busy, other) = (create(&api, "busy", echo.addr()), create(&api, "other", echo.addr()));
    let crowd: Vec<_> = (0..20).map(|_| connect(busy)).collect();
    // A quarter of 16 is 2 for each: 14 have their session, one or two more are accepted and wait.
    let line = api.wait_for_line("session limit reached");
    assert!(line.contains("WARN") && line.contains("max_sessions=16"), "{line}");
    for _ in 0..2 {
        round_trip(&connect(other), b"served").expect("it has its share");
    }
    let (status, ready) = api.send("GET", "/readyz", "", &[]);
    assert_eq!(status, 200);
    assert!(ready.starts_with("session limit reached: max-sessions 16, connections waiting "), "{ready}");
    let metrics = api.send("GET", "/metrics", "", &[]).1;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).expect("a number")
    };
    assert!(value("fault_proxy_session_limit_waits_total") >= 1.0);
    assert!(value("fault_proxy_connections_waiting") >= 1.0);
    assert!((value("fault_proxy_sessions_limit") - 16.0).abs() < 0.1);

    drop(crowd);
    let is_ready = || api.send("GET", "/readyz", "", &[]).1 == "ok\n";
    eventually("nobody waits", is_ready);
    let crowd: Vec<_> = (0..20).map(|_| connect(busy)).collect();
    eventually("some wait again", || !is_ready());
    let metrics = api.send("GET", "/metrics", "", &[]).1;
    drop(crowd);
    api.signal(Signal::TERM);
    assert_eq!(api.wait(PATIENCE).code(), Some(0));
    // The first wait is a warning, and one at the end counts the others. Some may have come after the metrics.
    let stderr = api.stderr();
    let waited = |line: &str| line.split_once(" waited=")?.1.split(' ').next()?.parse::<u32>().ok();
    let told: u32 = stderr.lines().filter_map(waited).sum();
    let waits = metrics.lines().find_map(|line| line.strip_prefix("fault_proxy_session_limit_waits_total "));
    let waits: u32 = waits.expect("a metric").parse().expect("a count");
    assert!(waits >= 2 && told >= waits, "{waits} {told}\n{stderr}");
}

/// Runs sixty concurrent clients. Each stays until `may_leave`, and reconnects if it is reset.
fn crowd(proxy: &Proxy, may_leave: impl Fn() -> bool + Sync) {
    thread::scope(|scope| {
        for number in 0..60 {
            let may_leave = &may_leave;
            scope.spawn(move || {
                eventually(&format!("client {number} is served"), || {
                    let client = proxy.connect();
                    let is_served = round_trip(&client, format!("client {number}").as_bytes()).is_ok();
                    eventually("clients may leave", may_leave);
                    is_served
                });
            });
        }
    });
}

#[test]
fn without_descriptors_for_all_the_rest_wait_or_come_back() {
    let far_end = TcpServer::echo();
    let limited = ["sh", "-c", r#"ulimit -n 64 && exec "$0" "$@""#];
    // More than fit: its own limit is not what stops it.
    let proxy = Proxy::launched_by(&limited, far_end.addr(), &["--max-sessions", "100"]);
    let warning = proxy.wait_for_line("--max-sessions 100 is more than");
    assert!(warning.contains("64 open files"), "{warning}");
    crowd(&proxy, || proxy.count("Too many open files") > 0);
}

#[test]
fn by_default_there_are_as_many_sessions_as_descriptors_for_them() {
    let far_end = TcpServer::echo();
    let limited = ["sh", "-c", r#"ulimit -n 200 && exec "$0" "$@""#];
    let proxy = Proxy::launched_by(&limited, far_end.addr(), &[]);
    crowd(&proxy, || true);
    assert_eq!(proxy.count("WARN"), proxy.count("session limit reached"), "{}", proxy.stderr());
}

#[test]
fn descriptors_are_given_back() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::to(format!("localhost:{}", far_end.addr().port()));
    round_trip(&proxy.connect(), b"warm").unwrap();
    proxy.wait_for_line("session ended");
    let before = open_descriptors(proxy.pid());

    let clients: Vec<_> = (0..50).map(|_| proxy.connect()).collect();
    for client in &clients {
        round_trip(client, b"here").unwrap();
    }
    assert!(open_descriptors(proxy.pid()) >= before + 100);
    drop(clients);
    eventually("every descriptor is closed", || open_descriptors(proxy.pid()) == before);
}
