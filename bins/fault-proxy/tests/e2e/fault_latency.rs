//! Latency and jitter.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::fault_support::{RedisSession, ms, timed};
use crate::support::{PATIENCE, Proxy, ending, printed};
use testkit::{Postgres, Redis, TcpServer, abort, psql};

const CONSTANT: [&str; 3] = ["--with-latency", "--latency-distribution", "constant"];

fn with_latency(upstream: impl std::fmt::Display, options: &[&str]) -> Proxy {
    Proxy::with(upstream, &[&CONSTANT, options].concat())
}

fn to_redis(server: &Redis, options: &[&str]) -> Proxy {
    with_latency(format!("localhost:{}", server.port()), options)
}

#[test]
fn a_round_trip_takes_the_latency_of_the_directions_asked_for() {
    let server = Redis::start();
    for (direction, least) in [("ingress", ms(200)), ("egress", ms(200)), ("both", ms(400))] {
        let proxy = to_redis(&server, &["--latency-mean", "200", "--latency-direction", direction]);
        let mut session = RedisSession::open(&proxy);
        for _ in 0..3 {
            let took = session.ping();
            assert!(took >= least, "{direction}: {took:?}");
        }
    }
}

/// When the greeting of an upstream reaches its client, and its client's greeting reaches it.
fn greetings(side: &str, direction: &str) -> [Duration; 2] {
    let (came, comes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"!").expect("the proxy has just connected");
        stream.read_exact(&mut [0]).expect("the client greets");
        came.send(Instant::now()).ok();
    });
    let options = ["--latency-mean", "2s", "--latency-side", side, "--latency-direction", direction];
    let proxy = with_latency(far_end.addr(), &options);
    let started = Instant::now();
    let mut client = proxy.connect();
    client.write_all(b"!").expect("the proxy reads");
    client.read_exact(&mut [0]).expect("the upstream greets");
    let reply = started.elapsed();
    let request = comes.recv_timeout(PATIENCE).expect("the greeting comes").duration_since(started);
    [request, reply]
}

#[test]
fn a_side_and_a_direction_name_one_flow() {
    thread::scope(|scope| {
        for (side, direction, late) in [
            ("server", "ingress", [false, true]),
            ("client", "egress", [false, true]),
            ("server", "egress", [true, false]),
            ("client", "ingress", [true, false]),
        ] {
            scope.spawn(move || {
                let took = greetings(side, direction);
                assert_eq!(took.map(|took| took >= ms(2000)), late, "{side} {direction}: {took:?}");
            });
        }
    });
}

#[test]
fn a_thousand_pipelined_commands_are_late_together_and_answered_in_order() {
    let server = Redis::start();
    let proxy = to_redis(&server, &["--latency-mean", "100ms", "--latency-direction", "both"]);
    let mut session = RedisSession::open(&proxy);
    let (replies, took) = timed(|| {
        session.send(&"INCR counter\r\n".repeat(1000));
        (0..1000).map(|_| session.reply()).collect::<Vec<_>>()
    });
    let counted: Vec<_> = (1..=1000).map(|number| format!(":{number}")).collect();
    assert_eq!(replies, counted);
    assert!(took >= ms(200) && took < ms(10_000), "{took:?}");
}

#[test]
fn once_delays_the_first_reply_alone() {
    let server = Redis::start();
    let proxy = to_redis(&server, &["--latency-mean", "600", "--latency-once"]);
    for _ in 0..2 {
        let mut session = RedisSession::open(&proxy);
        let (first, least) = (session.ping(), (0..5).map(|_| session.ping()).min().unwrap());
        assert!(first >= ms(600) && least < ms(600), "{first:?}, then {least:?}");
    }
}

#[test]
fn jitter_delays_some_round_trips_and_most_not() {
    const LATE: Duration = ms(50);
    let server = Redis::start();
    let options = ["--with-jitter", "--jitter-amplitude", "500ms", "--jitter-frequency", "2"];
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    let mut session = RedisSession::open(&proxy);
    let started = Instant::now();
    let mut trips = Vec::new();
    while started.elapsed() < ms(3000) {
        trips.push(session.ping());
    }
    let late = trips.iter().filter(|took| **took >= LATE).count();
    assert!(late > 0, "none of {}", trips.len());
    assert!(late * 4 < trips.len(), "{late} of {}", trips.len());
}

#[test]
fn psql_works_through_latency() {
    let server = Postgres::start();
    let proxy = with_latency(
        format!("psql://localhost:{}", server.port()),
        &["--latency-mean", "150", "--latency-direction", "both"],
    );
    let (answer, took) = timed(|| printed(&psql(proxy.port(), "disable", "select 6 * 7")));
    assert_eq!(answer, "42\n");
    // To be let in, and to be answered.
    assert!(took >= ms(2 * 300), "{took:?}");
}

#[test]
fn a_half_close_under_latency_keeps_its_reply() {
    let far_end = TcpServer::reply_after_eof();
    let proxy = with_latency(far_end.addr(), &["--latency-mean", "150", "--latency-direction", "both"]);
    let mut client = proxy.connect();
    let mut reply = Vec::new();
    let (_, took) = timed(|| {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client.read_to_end(&mut reply).unwrap()
    });
    assert_eq!(reply, [TcpServer::REPLY_PREFIX, b"question"].concat());
    assert!(took >= ms(300), "{took:?}");
}

#[test]
fn an_abort_under_latency_is_no_end_of_file() {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |stream| {
        outcome.send(ending(&stream)).ok();
    });
    let proxy = with_latency(far_end.addr(), &["--latency-mean", "100", "--latency-direction", "both"]);
    let mut client = proxy.connect();
    client.write_all(b"the last words").unwrap();
    abort(client);
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));

    let far_end = TcpServer::reset_on_connect();
    let proxy = with_latency(far_end.addr(), &["--latency-mean", "100"]);
    assert_eq!(ending(&proxy.connect()), Err(ErrorKind::ConnectionReset));
}

/// Which of 40 sessions, opened one after the other, are late.
fn late_sessions(far_end: &TcpServer) -> Vec<bool> {
    let options = ["--latency-mean", "2s", "--latency-side", "client", "--latency-probability", "0.5"];
    let proxy = Proxy::with(far_end.addr(), &[&CONSTANT[..], &options, &["--seed", "5"]].concat());
    let sessions: Vec<_> = (0..40)
        .map(|_| {
            let mut client = proxy.connect();
            // It has its number now.
            client.read_exact(&mut [0]).expect("the upstream greets");
            client
        })
        .collect();
    let round_trip = |mut client: TcpStream| {
        let trip = || client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).expect("an echo");
        timed(trip).1 >= ms(2000)
    };
    let trips: Vec<_> =
        sessions.into_iter().map(|client| thread::spawn(move || round_trip(client))).collect();
    trips.into_iter().map(|trip| trip.join().expect("an echo")).collect()
}

#[test]
fn a_probability_is_a_share_of_sessions_and_the_same_ones_with_the_same_seed() {
    let far_end = TcpServer::start(|mut stream| {
        stream.write_all(b"!").expect("the proxy has just connected");
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_ok() {
            stream.write_all(&byte).ok();
        }
    });
    let first = late_sessions(&far_end);
    let late = first.iter().filter(|late| **late).count();
    assert!((8..=32).contains(&late), "{late} of 40");
    assert_eq!(late_sessions(&far_end), first);
}
