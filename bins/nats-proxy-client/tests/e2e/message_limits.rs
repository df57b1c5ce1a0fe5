//! A limit of NATS for the length of messages that becomes too small for sessions while the programs run.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::http::get;
use crate::support::{Client, Server, eventually, free_addr};
use testkit::{NatsServer, TcpServer, free_port};

/// A session that is not ended is silent for `--max-outage`.
const MAX_OUTAGE: Duration = Duration::from_secs(60);
const LARGE: &str = "max_payload: 1MB";

/// Both programs with their health endpoints.
struct Programs {
    server: Server,
    client: Client,
    health_of_server: SocketAddr,
    health_of_client: SocketAddr,
}

impl Programs {
    fn start(nats_of_server: &NatsServer, nats_of_client: &NatsServer, target: SocketAddr) -> Self {
        let (health_of_server, health_of_client) = (free_addr(), free_addr());
        let (at, of) = (health_of_server.to_string(), health_of_client.to_string());
        let server = Server::with(&nats_of_server.url(), &["--listen-addr", &at]);
        let client = Client::with(&nats_of_client.url(), target, &["--health-addr", &of]);
        eventually("a session opens", || round_trip(&client.connect(), b"ready").is_ok());
        Self { server, client, health_of_server, health_of_client }
    }

    fn ready(&self) -> [bool; 2] {
        [self.health_of_server, self.health_of_client].map(|health| get(health, "/readyz").0 == 200)
    }
}

/// Writes and reads until the connection is reset, which is long before the session would be given up.
fn assert_reset(mut stream: &TcpStream) {
    let start = Instant::now();
    let is_early = || start.elapsed() < MAX_OUTAGE / 2;
    thread::scope(|scope| {
        scope.spawn(|| while (&*stream).write_all(&[7; 4096]).is_ok() {});
        let mut buffer = [0; 4096];
        while is_early() && matches!(stream.read(&mut buffer), Ok(length) if length > 0) {}
        let _ = stream.shutdown(Shutdown::Both);
    });
    assert!(is_early(), "{:?}", start.elapsed());
}

#[test]
fn sessions_end_with_the_reason_in_both_logs_and_a_larger_limit_needs_no_restart() {
    for size in [200, 300, 383] {
        let (nats, upstream) = (NatsServer::with_config(LARGE), TcpServer::echo());
        let programs = Programs::start(&nats, &nats, upstream.addr());
        let open = programs.client.connect();
        round_trip(&open, b"open").unwrap();
        nats.reload(&format!("max_payload: {size}"));
        let reason = format!("NATS accepts messages of up to {size} bytes, and 384 are required");
        assert_reset(&open);
        for log in [&*programs.client, &*programs.server] {
            let ended = |line: &str| line.contains("session ended") && line.contains(&reason);
            eventually("its log has the reason", || log.stderr().lines().any(ended));
        }
        // The end that has not been refused anything may not know yet.
        for _ in 0..2 {
            assert_reset(&programs.client.connect());
        }
        eventually("it is not ready", || {
            let (status, body) = get(programs.health_of_client, "/readyz");
            status == 503 && body.contains(&reason) && body.contains("raise max_payload")
        });
        nats.reload(LARGE);
        eventually("both are ready", || programs.ready() == [true; 2]);
        eventually("it works", || round_trip(&programs.client.connect(), &[7; 200_000]).is_ok());
    }
}

#[test]
fn a_limit_on_one_side_ends_sessions_on_both_and_only_that_side_is_not_ready() {
    for limited_server in [false, true] {
        let (port, upstream) = (free_port(), TcpServer::echo());
        let hub = NatsServer::with_config(&format!("leafnodes {{ host: 127.0.0.1, port: {port} }}"));
        let remotes = format!("leafnodes {{ remotes: [ {{ url: \"nats://127.0.0.1:{port}\" }} ] }}");
        let leaf = NatsServer::with_config(&format!("{LARGE}\n{remotes}"));
        let (of_server, of_client) = if limited_server { (&leaf, &hub) } else { (&hub, &leaf) };
        let programs = Programs::start(of_server, of_client, upstream.addr());
        let open = programs.client.connect();
        round_trip(&open, b"open").unwrap();
        leaf.reload(&format!("max_payload: 300\n{remotes}"));
        let reason = "NATS accepts messages of up to 300 bytes, and 384 are required";
        assert_reset(&open);
        for log in [&*programs.server, &*programs.client] {
            log.wait_for_line(reason);
        }
        eventually("one is not ready", || programs.ready() == [!limited_server, limited_server]);
        assert_reset(&programs.client.connect());
        leaf.reload(&format!("{LARGE}\n{remotes}"));
        eventually("both are ready", || programs.ready() == [true; 2]);
        eventually("it works", || round_trip(&programs.client.connect(), &[7; 20_000]).is_ok());
    }
}
