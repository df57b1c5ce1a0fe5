//! More than one server, one that leaves, and none; how either program ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::bytes::{ending, round_trip};
use crate::support::{Client, PATIENCE, Pair, Server, count, eventually};
use testkit::{NatsServer, Signal, TcpServer};

const ENDED: &str = "session ended";

fn visit(client: &Client) {
    let stream = client.connect();
    round_trip(&stream, b"a session").expect("an echo");
    stream.shutdown(Shutdown::Write).expect("open");
    assert_eq!(ending(&stream), Ok(()));
}

#[test]
fn servers_share_the_sessions() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let servers = [Server::at(&nats.url()), Server::at(&nats.url())];
    let client = Client::to(&nats.url(), upstream.addr());
    (0..40).for_each(|_| visit(&client));
    let shares = || servers.each_ref().map(|server| count(server, ENDED));
    eventually("each session is some server's", || shares().iter().sum::<usize>() == 40);
    assert!(shares().iter().all(|&share| share > 0), "{:?}", shares());
}

#[test]
fn a_server_that_leaves_finishes_what_it_has_and_gets_nothing_new() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let leaving = Server::with(&nats.url(), &["--drain-timeout", "1h"]);
    let client = Client::to(&nats.url(), upstream.addr());
    let open = client.connect();
    round_trip(&open, b"before").unwrap();
    let staying = Server::at(&nats.url());
    leaving.signal(Signal::TERM);
    // Also those that it had been asked for just before.
    (0..30).for_each(|_| visit(&client));
    leaving.wait_for_line("SIGTERM: draining");
    (0..30).for_each(|_| visit(&client));
    round_trip(&open, b"afterwards").unwrap();
    let (of_leaving, of_staying) = (count(&leaving, ENDED), count(&staying, ENDED));
    assert!(of_leaving <= 30 && of_staying >= 30, "{of_leaving} and {of_staying}");

    open.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ending(&open), Ok(()));
    assert_eq!(leaving.wait(PATIENCE).code(), Some(0));
    visit(&client);
}

/// A forwarder to NATS that can hold what NATS sends.
#[derive(Debug, Default)]
struct Gate {
    is_closed: AtomicBool,
    to_nats: Mutex<Vec<u8>>,
    from_nats: Mutex<Vec<u8>>,
}

impl Gate {
    fn before(self: &Arc<Self>, nats: &NatsServer) -> TcpServer {
        let (gate, nats) = (Arc::clone(self), nats.addr());
        TcpServer::start(move |mut program: TcpStream| {
            let mut nats = TcpStream::connect(nats).expect("nats-server listens");
            let (held, release) = channel::<Vec<u8>>();
            let (from_program, to_program) = (program.try_clone().expect("a descriptor"), &mut program);
            let (from_nats, to_nats) = (nats.try_clone().expect("a descriptor"), &mut nats);
            thread::scope(|scope| {
                scope.spawn(|| {
                    forward(from_program, &gate.to_nats, |bytes| to_nats.write_all(&bytes).is_ok())
                });
                scope.spawn(|| forward(from_nats, &gate.from_nats, move |bytes| held.send(bytes).is_ok()));
                for bytes in release {
                    while gate.is_closed.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(5));
                    }
                    if to_program.write_all(&bytes).is_err() {
                        return;
                    }
                }
            });
        })
    }
}

fn forward(mut from: TcpStream, log: &Mutex<Vec<u8>>, mut to: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(got @ 1..) = from.read(&mut buffer) {
        log.lock().expect("nobody panics with it").extend_from_slice(&buffer[..got]);
        if !to(buffer[..got].to_vec()) {
            return;
        }
    }
}

fn occurrences(log: &Mutex<Vec<u8>>, needle: &str) -> usize {
    String::from_utf8_lossy(&log.lock().expect("nobody panics with it")).matches(needle).count()
}

#[test]
fn requests_on_their_way_to_a_server_that_leaves_go_to_another() {
    const REQUESTS: usize = 8;
    let (nats, upstream, gate) = (NatsServer::start(), TcpServer::echo(), Arc::new(Gate::default()));
    let link = gate.before(&nats);
    let leaving = Server::at(&format!("nats://{}", link.addr()));
    let client = Client::to(&nats.url(), upstream.addr());
    gate.is_closed.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let visits: Vec<_> = (0..REQUESTS).map(|_| scope.spawn(|| visit(&client))).collect();
        eventually("NATS has sent all requests", || occurrences(&gate.from_nats, "remote_host") >= REQUESTS);
        let staying = Server::at(&nats.url());
        leaving.signal(Signal::TERM);
        // Its first round trip to NATS left an UNSUB too.
        let unsubscribed = format!("UNSUB 1 {}", u64::MAX);
        eventually("the server has unsubscribed", || occurrences(&gate.to_nats, &unsubscribed) == 1);
        gate.is_closed.store(false, Ordering::SeqCst);
        for visit in visits {
            visit.join().expect("no request is lost");
        }
        eventually("the staying server has them all", || count(&staying, ENDED) == REQUESTS);
    });
    assert_eq!(leaving.wait(PATIENCE).code(), Some(0));
}

/// An upstream that echoes and tells how each session ends.
fn telling() -> (TcpServer, Receiver<Result<(), ErrorKind>>) {
    let (ended, ends) = channel();
    let upstream = TcpServer::start(move |mut stream: TcpStream| {
        let mut buffer = [0; 64];
        let end = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(got) => stream.write_all(&buffer[..got]).expect("the session lives"),
                Err(error) => break Err(error.kind()),
            }
        };
        ended.send(end).ok();
    });
    (upstream, ends)
}

#[test]
fn what_is_left_at_the_end_of_the_drain_is_reset_on_both_sides() {
    for of_server in [true, false] {
        let (upstream, ends) = telling();
        let drain = ["--drain-timeout", "1s"];
        let pair = Pair::with(upstream.addr(), &drain, &drain);
        let client = pair.connect();
        round_trip(&client, b"before").unwrap();
        let ending_one = if of_server { &*pair.server } else { &*pair.client };
        ending_one.signal(Signal::TERM);
        assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
        assert_eq!(ending_one.wait(PATIENCE).code(), Some(0));
        assert!(ending_one.stderr().contains("drain timeout reached"), "{}", ending_one.stderr());
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for of_server in [true, false] {
        let (upstream, ends) = telling();
        let drain = ["--drain-timeout", "1h"];
        let pair = Pair::with(upstream.addr(), &drain, &drain);
        let client = pair.connect();
        round_trip(&client, b"before").unwrap();
        let ending_one = if of_server { &*pair.server } else { &*pair.client };
        ending_one.signal(Signal::INT);
        ending_one.wait_for_line("SIGINT: draining");
        round_trip(&client, b"meanwhile").unwrap();
        ending_one.signal(Signal::TERM);
        assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
        assert_eq!(ending_one.wait(PATIENCE).code(), Some(0));
    }
}

#[test]
fn a_client_that_leaves_finishes_what_it_has_and_takes_nothing_new() {
    let upstream = TcpServer::echo();
    let pair = Pair::with(upstream.addr(), &[], &["--drain-timeout", "1h"]);
    let open = pair.connect();
    round_trip(&open, b"before").unwrap();
    pair.client.signal(Signal::TERM);
    eventually("the port is given up", || TcpListener::bind(pair.client.addr).is_ok());
    round_trip(&open, b"afterwards").unwrap();
    open.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ending(&open), Ok(()));
    assert_eq!(pair.client.wait(PATIENCE).code(), Some(0));
    assert!(pair.client.stdout().contains(&upstream.addr().to_string()), "{}", pair.client.stdout());
}

#[test]
fn without_a_server_there_is_a_reset() {
    let nats = NatsServer::start();
    let client = Client::to(&nats.url(), "127.0.0.1:9");
    assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
    client.wait_for_line("no proxy server listens on proxy.request");

    let upstream = TcpServer::echo();
    let client = Client::to(&nats.url(), upstream.addr());
    let server = Server::at(&nats.url());
    visit(&client);
    server.signal(Signal::TERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
}
