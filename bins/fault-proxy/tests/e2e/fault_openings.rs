//! Faults on the opening of sessions: refused clients, slow connections to the upstream.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    sync::mpsc,
    time::Instant,
};

use crate::fault_support::{Scheduled, ms, timed};
use crate::support::{PATIENCE, Proxy, eventually, patient, round_trip};
use testkit::{Signal, TcpServer};

#[test]
fn refused_clients_find_nobody_listening_until_the_schedule_ends() {
    let far_end = TcpServer::echo();
    let scheduled =
        Scheduled::with(far_end.addr(), &["--with-refuse", "--refuse-sched", "start:1s,duration:4s"]);
    let proxy = &scheduled.proxy;
    let open: Vec<_> = (0..8).map(|_| proxy.connect()).collect();
    open.iter().for_each(|client| round_trip(client, b"before").unwrap());

    let connect = || TcpStream::connect(proxy.addr).map(patient).map_err(|error| error.kind());
    eventually("it refuses", || connect().is_err());
    assert!(!scheduled.is_before(Instant::now(), ms(1000)));
    for _ in 0..50 {
        assert_eq!(connect().expect_err("refused"), ErrorKind::ConnectionRefused);
    }
    // The sessions that were open continue to work.
    open.iter().for_each(|client| round_trip(client, b"meanwhile").unwrap());
    assert!(scheduled.is_before(Instant::now(), ms(5000)), "too slow a machine for this test");

    eventually("it listens again", || connect().is_ok());
    assert!(!scheduled.is_before(Instant::now(), ms(5000)));
    // Each thread's listener accepts.
    for _ in 0..50 {
        round_trip(&connect().expect("it listens"), b"after").unwrap();
    }
}

#[test]
fn refused_from_the_start_to_the_end() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--with-refuse"]);
    eventually("it refuses", || TcpStream::connect(proxy.addr).is_err());
    for _ in 0..20 {
        let refused = TcpStream::connect(proxy.addr).map(drop).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    }
}

#[test]
fn a_share_of_clients_is_refused_and_the_others_served() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--with-refuse", "--refuse-probability", "0.5"]);
    let ends: Vec<_> =
        (0..40).map(|_| round_trip(&proxy.connect(), b"let me in").map_err(|error| error.kind())).collect();
    let served = ends.iter().filter(|end| end.is_ok()).count();
    assert!((6..=34).contains(&served), "{served} of 40");
    let expected = [Ok(()), Err(ErrorKind::ConnectionReset)];
    assert!(ends.iter().all(|end| expected.contains(end)), "{ends:?}");
    // One line a second stands for all of them.
    eventually("refusals are logged", || proxy.count("by the fault `refuse`") > 0);
    proxy.signal(Signal::TERM);
    proxy.wait(PATIENCE);
    let refused = format!("{} times", 40 - served);
    assert!(proxy.stdout().contains(&refused), "{refused}: {}", proxy.stdout());
}

#[test]
fn a_slow_open_connects_to_the_upstream_later() {
    let (accepted, accepts) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        accepted.send(Instant::now()).ok();
        stream.read_exact(&mut [0]).ok();
    });
    let proxy = Proxy::with(far_end.addr(), &["--with-slow-open", "--slow-open-delay", "600ms"]);
    for _ in 0..2 {
        let before = Instant::now();
        let _client = proxy.connect();
        let took = accepts.recv_timeout(PATIENCE).unwrap() - before;
        assert!(took >= ms(600), "{took:?}");
    }
}

#[test]
fn slow_opens_do_not_wait_for_each_other_and_are_slow_once() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--with-slow-open", "--slow-open-delay", "1s"]);
    let (clients, took) = timed(|| {
        let clients: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
        clients.iter().for_each(|client| round_trip(client, b"late").unwrap());
        clients
    });
    assert!(took >= ms(1000) && took < ms(15_000), "{took:?}");
    let least = (0..5).map(|_| timed(|| round_trip(&clients[0], b"fast").unwrap()).1).min().unwrap();
    assert!(least < ms(1000), "{least:?}");
}

#[test]
fn the_end_of_a_slow_open_lets_waiting_clients_go_on() {
    let far_end = TcpServer::echo();
    let scheduled = Scheduled::with(
        far_end.addr(),
        &["--with-slow-open", "--slow-open-delay", "50s", "--slow-open-sched", "duration:1s"],
    );
    let ((), took) = timed(|| round_trip(&scheduled.proxy.connect(), b"at last").unwrap());
    assert!(!scheduled.is_before(Instant::now(), ms(1000)) && took < ms(40_000), "{took:?}");
}
