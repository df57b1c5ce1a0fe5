//! Strangers who repeat themselves fill no log, and keep no probe from its answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::bytes::round_trip;
use crate::support::http::get;
use crate::support::{self, Client, Server, count, eventually, free_addr};
use testkit::{NatsServer, TcpServer};

const REQUEST: &str = r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
const REPEATS: usize = 1000;

/// Sends the same request again and again, to an inbox without a subscription, and waits until NATS has taken all.
fn repeat(nats: &NatsServer, host: &str, port: u16, body: &str) {
    let mut stream = support::patient(TcpStream::connect(nats.addr()).expect("nats-server listens"));
    let headers = format!("NATS/1.0\r\nremote_host: {host}\r\nremote_port: {port}\r\n\r\n");
    let (length, total) = (headers.len(), headers.len() + body.len());
    let request = format!("HPUB proxy.request _INBOX.nobody {length} {total}\r\n{headers}{body}\r\n");
    let requests = request.repeat(REPEATS);
    let connect = r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#;
    stream.write_all(format!("{connect}\r\n{requests}PING\r\n").as_bytes()).expect("it reads");
    let mut received = Vec::new();
    while !received.ends_with(b"PONG\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        received.extend(byte);
    }
}

#[test]
fn requests_that_are_repeated_are_a_few_lines_with_a_count() {
    let (nats, upstream, closed) = (NatsServer::start(), TcpServer::echo(), free_addr());
    let server = Server::with(&nats.url(), &["--deny", "127.0.0.1:9"]);
    let client = Client::to(&nats.url(), upstream.addr());
    for (host, port, body, needle) in [
        ("127.0.0.1", 9, REQUEST, "is denied here"),
        (r"\115ecret", 9, REQUEST, "is not a host name"),
        ("127.0.0.1", closed.port(), REQUEST, "cannot connect to"),
        ("nowhere.invalid", 9, REQUEST, "cannot resolve"),
        ("127.0.0.1", 9, "not JSON", "dropped"),
    ] {
        repeat(&nats, host, port, body);
        eventually(needle, || count(&server, needle) > 0);
        eventually("honest clients are served", || round_trip(&client.connect(), b"honest").is_ok());
    }
    let warnings = count(&server, " WARN ");
    let counts =
        server.stderr().lines().filter(|line| line.contains("messages") || line.contains(" clients")).count();
    assert!(warnings < REPEATS / 2, "{warnings}: {}", server.stderr());
    assert!(counts > 0, "{}", server.stderr());
}

/// More connections than the endpoint takes at the same time: silent ones, half a request, and requests whose answer is not read.
fn occupy(endpoint: SocketAddr) -> Vec<TcpStream> {
    let requests = ["", "GET /li", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"];
    let open = |request: &str| {
        let mut stream = TcpStream::connect(endpoint).expect("it listens");
        // The endpoint may have given the place of this connection to another one.
        let _ = stream.write_all(request.as_bytes());
        stream
    };
    requests.into_iter().flat_map(|request| (0..256).map(move |_| open(request))).collect()
}

#[test]
fn idle_connections_keep_no_probe_from_its_answer() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let [of_server, of_client] = std::array::from_fn(|_| free_addr());
    let _server = Server::with(&nats.url(), &["--listen-addr", &of_server.to_string()]);
    let flags = ["--health-addr", &of_client.to_string()];
    let _client = Client::with(&nats.url(), upstream.addr(), &flags);
    for endpoint in [of_server, of_client] {
        let held = occupy(endpoint);
        for path in ["/livez", "/readyz"] {
            assert_eq!(get(endpoint, path).0, 200, "{path}");
        }
        drop(held);
    }
}
