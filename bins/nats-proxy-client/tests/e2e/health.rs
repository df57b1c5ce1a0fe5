//! What either program tells of itself over HTTP.

use std::net::{Shutdown, SocketAddr};
use std::process::Command;

use crate::support::bytes::{ending, round_trip};
use crate::support::http::{get, metric};
use crate::support::{PATIENCE, Pair, client_binary, eventually, free_addr, server_binary, spawn};
use testkit::{NatsServer, ServiceManager, Signal, TcpServer};

fn pair_with_health(upstream: &TcpServer) -> (Pair, [SocketAddr; 2]) {
    let [of_server, of_client] = std::array::from_fn(|_| free_addr());
    let (server, client) = (of_server.to_string(), of_client.to_string());
    let pair = Pair::with(upstream.addr(), &["--listen-addr", &server], &["--health-addr", &client]);
    pair.server.wait_for_line(&format!("health on {of_server}"));
    pair.client.wait_for_line(&format!("health on {of_client}"));
    (pair, [of_server, of_client])
}

#[test]
fn readiness_is_that_of_the_connection_to_nats() {
    let upstream = TcpServer::echo();
    let (pair, endpoints) = pair_with_health(&upstream);
    for endpoint in endpoints {
        for path in ["/health", "/livez", "/readyz"] {
            assert_eq!(get(endpoint, path), (200, "ok\n".to_owned()), "{path}");
        }
        assert!(
            (metric(endpoint, name(&endpoints, endpoint, "nats_up").as_str()) - 1.0).abs() < f64::EPSILON
        );
    }
    let is_healthy = |endpoint: SocketAddr| {
        let asked = Command::new(client_binary()).args(["health", &endpoint.to_string()]).output();
        asked.expect("it starts").status.success()
    };
    assert!(endpoints.into_iter().all(is_healthy));
    pair.nats.kill();
    for endpoint in endpoints {
        eventually("it is not ready", || get(endpoint, "/readyz").0 == 503);
        assert!(!is_healthy(endpoint));
        assert!(get(endpoint, "/readyz").1.contains("no connection to NATS"));
        assert_eq!(get(endpoint, "/livez").0, 200);
        assert_eq!(get(endpoint, "/health").0, 200);
    }
    pair.nats.restart();
    for endpoint in endpoints {
        eventually("it is ready again", || get(endpoint, "/readyz").0 == 200);
    }
    round_trip(&pair.connect(), b"ready").unwrap();
}

fn name(endpoints: &[SocketAddr; 2], endpoint: SocketAddr, metric: &str) -> String {
    let program = if endpoint == endpoints[0] { "server" } else { "client" };
    format!("nats_proxy_{program}_{metric}")
}

#[test]
fn sessions_and_bytes_are_counted() {
    let upstream = TcpServer::echo();
    let (pair, endpoints) = pair_with_health(&upstream);
    for _ in 0..3 {
        let client = pair.connect();
        round_trip(&client, b"ten bytes!").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ending(&client), Ok(()));
    }
    let open = pair.connect();
    round_trip(&open, b"not yet").unwrap();
    for endpoint in endpoints {
        let value = |sample: &str| metric(endpoint, &name(&endpoints, endpoint, sample));
        let is = |sample: &str, wanted: f64| (value(sample) - wanted).abs() < f64::EPSILON;
        eventually("three have ended", || is("sessions_total{end=\"clean\"}", 3.0));
        for (sample, wanted) in [
            ("bytes_total{direction=\"to_upstream\"}", 37.0),
            ("bytes_total{direction=\"to_downstream\"}", 37.0),
            ("sessions_active", 1.0),
            ("session_duration_seconds_count", 3.0),
            ("nats_connects_total", 1.0),
        ] {
            eventually(sample, || is(sample, wanted));
        }
    }
}

#[test]
fn a_default_port_that_is_taken_ends_nothing_and_one_that_was_asked_for_does() {
    // In use by this test or by another process.
    let _taken = std::net::TcpListener::bind("[::]:8080");
    let nats = NatsServer::start();
    let server = spawn(&server_binary(), &["--nats-url", &nats.url()], &[]);
    assert!(server.wait_for_line("health endpoint not started").contains("cannot listen on :8080"));
    server.wait_for_line("listening on proxy.request");
    let asked = spawn(&server_binary(), &["--nats-url", &nats.url(), "--listen-addr", ":8080"], &[]);
    assert_eq!(asked.wait(PATIENCE).code(), Some(1));
}

#[test]
fn the_service_manager_hears_when_both_are_ready_and_when_they_stop() {
    let nats = NatsServer::start();
    let url = nats.url();
    let listen = free_addr().to_string();
    let (server, client) = (server_binary(), client_binary());
    let of_server = ["--nats-url", &url, "--listen-addr", "off"];
    let of_client = ["--nats-url", &url, "--listen-addr", &listen, "--remote-addr", "localhost:1"];
    for (program, args) in [(&*server, &of_server[..]), (client, &of_client)] {
        let manager = ServiceManager::new();
        let socket = manager.socket();
        let daemon = spawn(program, args, &[("NOTIFY_SOCKET", socket.to_str().expect("a path in UTF-8"))]);
        assert_eq!(manager.next_notification(), "READY=1");
        daemon.wait_for_line("listening on");
        daemon.signal(Signal::TERM);
        assert_eq!(manager.next_notification(), "STOPPING=1");
        assert!(daemon.wait(PATIENCE).success());
    }
}
