//! Packet loss: bytes are late, never gone.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::fault_support::{RedisSession, ms, timed};
use crate::support::{PATIENCE, Proxy, receive, send};
use testkit::{Pattern, Redis, TcpServer};

const SIZE: u64 = 400_000;
const UP: u64 = 1;
const DOWN: u64 = 2;

fn exchange(stream: &TcpStream, ours: u64, theirs: u64) -> io::Result<u64> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(stream, &Pattern::new(ours), 0, SIZE));
        let received = receive(stream, &Pattern::new(theirs), 0);
        sending.join().expect("sending does not panic")?;
        received
    })
}

/// An upstream that sends and receives.
fn exchanging() -> (TcpServer, Receiver<io::Result<u64>>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |stream| {
        outcome.send(exchange(&stream, DOWN, UP)).ok();
    });
    (far_end, outcomes)
}

/// The time of an exchange in which both ends get all bytes as they were.
fn exchange_through(
    upstream: SocketAddr,
    outcomes: &Receiver<io::Result<u64>>,
    options: &[&str],
) -> Duration {
    let proxy = Proxy::with(upstream, options);
    let (received, took) = timed(|| exchange(&proxy.connect(), UP, DOWN).expect("to the client"));
    assert_eq!(received, SIZE, "{options:?}");
    assert_eq!(
        outcomes.recv_timeout(PATIENCE).expect("its end").expect("to the upstream"),
        SIZE,
        "{options:?}"
    );
    took
}

#[test]
fn bytes_survive_every_model_of_loss_and_cost_time() {
    let (far_end, outcomes) = exchanging();
    let clean = exchange_through(far_end.addr(), &outcomes, &[]);
    for model in [
        ["--packet-loss-rate", "5%"].as_slice(),
        &["--packet-loss-rate", "0.05", "--packet-loss-correlation", "30%"],
        &[
            "--packet-loss-model",
            "gilbert-elliott",
            "--packet-loss-good-to-bad",
            "2%",
            "--packet-loss-bad-to-good",
            "40%",
        ],
    ] {
        let loss = ["--with-packet-loss", "--packet-loss-direction", "both", "--packet-loss-rtt", "20ms"];
        let loss = [&loss[..], &["--seed", "2"]].concat();
        let lossy = exchange_through(far_end.addr(), &outcomes, &[&loss[..], model].concat());
        // Without loss: five round trips of slow start.
        assert!(lossy >= ms(150), "{model:?}: {lossy:?}, {clean:?} without");
    }
}

#[test]
fn the_default_model_makes_some_answers_of_redis_late_and_none_wrong() {
    let server = Redis::start();
    let proxy = Proxy::with(
        format!("localhost:{}", server.port()),
        &["--with-packet-loss", "--packet-loss-rtt", "20ms"],
    );
    let mut session = RedisSession::open(&proxy);
    let trips: Vec<_> = (1..=100)
        .map(|number| {
            let (reply, took) = timed(|| session.ask("INCR counter"));
            assert_eq!(reply, format!(":{number}"));
            took
        })
        .collect();
    let (least, most) = (trips.iter().min().unwrap(), trips.iter().max().unwrap());
    assert!(*least < ms(20) && *most >= ms(20), "from {least:?} to {most:?}");
}
