//! Every byte arrives as it was sent, also while nats-server is killed repeatedly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use std::{io, sync::Arc};

use crate::support::bytes::{DOWN, UP, exchange};
use crate::support::{MIB, PATIENCE, Pair, count, eventually};
use testkit::TcpServer;

/// An upstream that exchanges `length` bytes with its only client; `progress` counts what it receives.
fn exchanging(length: u64, progress: &Arc<AtomicU64>) -> (TcpServer, Receiver<io::Result<u64>>) {
    let ((outcome, outcomes), progress) = (channel(), Arc::clone(progress));
    let far_end = TcpServer::start(move |stream| {
        outcome.send(exchange(&stream, DOWN, UP, length, &progress)).ok();
    });
    (far_end, outcomes)
}

/// Transfers in both directions while `meanwhile` runs.
fn assert_both_ways(
    pair: &Pair,
    length: u64,
    progress: &AtomicU64,
    upstream: &Receiver<io::Result<u64>>,
    meanwhile: impl FnOnce() + Send,
) {
    let received = thread::scope(|scope| {
        scope.spawn(meanwhile);
        exchange(&pair.connect(), UP, DOWN, length, progress)
    });
    assert_eq!(received.expect("to the client"), length);
    let received = upstream.recv_timeout(PATIENCE).expect("the upstream ends when its client does");
    assert_eq!(received.expect("to the upstream"), length);
    for log in [&*pair.client, &*pair.server] {
        let line = log.wait_for_line("session ended");
        let counts = format!("bytes_to_upstream={length} bytes_to_downstream={length} ");
        assert!(line.contains(&counts) && line.ends_with("client=finished upstream=finished"), "{line}");
    }
}

#[test]
fn a_gibibyte_each_way_outlives_five_deaths_of_nats() {
    const LENGTH: u64 = 1024 * MIB;
    let progress = Arc::<AtomicU64>::default();
    let (far_end, upstream) = exchanging(LENGTH, &progress);
    let pair = Pair::to(far_end.addr());
    let deaths = || {
        let moved = || progress.load(Ordering::Relaxed);
        for _ in 0..5 {
            let next = moved() + 300 * MIB;
            eventually("300 MiB more have passed", || moved() >= next);
            pair.nats.kill();
            assert!(moved() < 2 * LENGTH, "everything had passed already");
            thread::sleep(Duration::from_millis(100));
            pair.nats.restart();
        }
    };
    assert_both_ways(&pair, LENGTH, &progress, &upstream, deaths);
    for log in [&*pair.client, &*pair.server] {
        assert_eq!(count(log, "the connection to NATS is lost"), 5);
    }
}

#[test]
fn json_carries_the_same_bytes_whichever_side_asks_for_it() {
    const LENGTH: u64 = 64 * MIB;
    let json: &[&str] = &["--encoding", "json"];
    for (of_server, of_client) in [(json, &[][..]), (&[], json)] {
        let progress = Arc::<AtomicU64>::default();
        let (far_end, upstream) = exchanging(LENGTH, &progress);
        let pair = Pair::with(far_end.addr(), of_server, of_client);
        assert_both_ways(&pair, LENGTH, &progress, &upstream, || {});
    }
}
