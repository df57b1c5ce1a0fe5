//! Faults of either program reach the session.

use std::time::{Duration, Instant};

use crate::support::Pair;
use crate::support::bytes::round_trip;
use testkit::TcpServer;

const LATENCY: [&str; 3] = ["--with-latency", "--latency-mean", "200ms"];

#[test]
fn latency_on_either_side_delays_a_round_trip() {
    let upstream = TcpServer::echo();
    for (of_server, of_client, at_least) in
        [(&LATENCY[..], &[][..], 200), (&[], &LATENCY, 200), (&LATENCY, &LATENCY, 400)]
    {
        let pair = Pair::with(upstream.addr(), of_server, of_client);
        let client = pair.connect();
        round_trip(&client, b"the first also opens the session").unwrap();
        for _ in 0..3 {
            let started = Instant::now();
            round_trip(&client, b"late").unwrap();
            let took = started.elapsed();
            assert!(took >= Duration::from_millis(at_least), "{took:?} and not {at_least} ms");
        }
    }
}
