//! Requests of clients that have gone, and what they cost those that wait.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::{PATIENCE, Pair};
use testkit::{NatsServer, Signal, TcpServer};

/// An echo that counts its connections.
fn counting_echo() -> (TcpServer, Arc<AtomicUsize>) {
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let upstream = TcpServer::start(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        io::copy(&mut &stream, &mut &stream).ok();
        stream.shutdown(Shutdown::Write).ok();
    });
    (upstream, dials)
}

#[test]
fn a_server_that_was_stopped_dials_for_none_of_the_clients_that_gave_up() {
    let (upstream, dials) = counting_echo();
    // The client waits for 5 s longer, the time of the way there and back.
    let pair = Pair::with(upstream.addr(), &[], &["--connect-timeout", "1s"]);
    pair.server.signal(Signal::STOP);
    let stopped = Instant::now();
    let clients: Vec<_> = (0..20).map(|_| pair.connect()).collect();
    for mut client in clients {
        client.read(&mut [0]).expect_err("reset when its client gives up");
    }
    // The server was not found dead by NATS, which pings every two minutes: it has all requests.
    thread::sleep(Duration::from_secs(20).saturating_sub(stopped.elapsed()));
    pair.server.signal(Signal::CONT);
    round_trip(&pair.connect(), b"a client that waits").expect("served");
    assert_eq!(dials.load(Ordering::SeqCst), 1, "{}", pair.server.stderr());
}

/// Sends requests for all targets together with a reply subject without subscribers, and reads nothing more when NATS has passed them on.
pub(crate) fn flood(nats: &NatsServer, targets: impl IntoIterator<Item = (String, u16)>) -> TcpStream {
    let mut stream = TcpStream::connect(nats.addr()).expect("nats-server runs");
    let body = r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
    let mut commands = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n".to_owned();
    for (host, port) in targets {
        let headers = format!(
            "NATS/1.0\r\nremote_host: {host}\r\nremote_port: {port}\r\nproxy-version: 1\r\nproxy-encodings: binary\r\n\r\n"
        );
        let (head, all) = (headers.len(), headers.len() + body.len());
        let command = write!(commands, "HPUB proxy.request _INBOX.gone {head} {all}\r\n{headers}{body}\r\n");
        command.expect("a string takes everything");
    }
    stream.write_all((commands + "PING\r\n").as_bytes()).expect("nats-server reads");
    let lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
    let pong = lines.map_while(Result::ok).find(|line| line == "PONG");
    pong.expect("nats-server answers in order");
    stream
}

#[test]
fn two_thousand_requests_of_a_client_that_never_reads_hold_up_no_others() {
    let (upstream, _) = counting_echo();
    let pair = Pair::with(upstream.addr(), &["--max-sessions", "100"], &[]);
    let start = Instant::now();
    let target = ("127.0.0.1".to_owned(), upstream.addr().port());
    let _flooder = flood(&pair.nats, std::iter::repeat_n(target, 2000));
    for _ in 0..3 {
        round_trip(&pair.connect(), b"a client that waits").expect("served");
    }
    // A hundred sessions at a time, each without a client for a minute, are 20 minutes.
    let took = start.elapsed();
    assert!(took < PATIENCE / 2, "{took:?}");
}
