//! A reader that does not keep up slows its own sender down, and nothing else.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::{MIB, Pair, patient};
use testkit::{Pattern, TcpServer, resident_bytes};

const SENT: u64 = 256 * MIB;
const STALL: Duration = Duration::from_secs(10);
/// What sockets, windows and NATS may hold on the way.
const ON_THE_WAY: u64 = 48 * MIB;

/// Sends a pattern as fast as it is accepted, and counts it. Echoes to a client that requests it.
fn sender(taken: &Arc<AtomicU64>) -> TcpServer {
    let taken = Arc::clone(taken);
    TcpServer::start(move |mut stream| {
        let mut first = [0];
        stream.read_exact(&mut first).expect("the client says what it wants");
        if first == *b"e" {
            std::io::copy(&mut &stream, &mut &stream).ok();
            return;
        }
        let (pattern, mut buffer) = (Pattern::new(3), vec![0; 64 << 10]);
        let mut sent = 0;
        while sent < SENT {
            pattern.fill(sent, &mut buffer);
            stream.write_all(&buffer).expect("the reader lives");
            sent += buffer.len() as u64;
            taken.store(sent, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_reader_at_a_megabyte_a_second_gets_every_byte_and_holds_nobody_up() {
    let taken = Arc::<AtomicU64>::default();
    let upstream = sender(&taken);
    let pair = Pair::to(upstream.addr());
    let mut other = patient(pair.connect());
    other.write_all(b"e").expect("open");
    round_trip(&other, b"before").expect("an echo");
    let processes = [pair.client.pid(), pair.server.pid(), pair.nats.pid()];
    let before = processes.map(resident_bytes);

    let mut slow = patient(pair.connect());
    slow.write_all(b"s").expect("open");
    let (pattern, mut received) = (Pattern::new(3), 0);
    let mut read = |buffer: &mut [u8], received: &mut u64| {
        let got = slow.read(buffer).expect("the sender lives");
        assert_eq!(pattern.first_difference(*received, &buffer[..got]), None);
        *received += got as u64;
        got
    };
    let (started, mut round_trips) = (Instant::now(), 0);
    let mut small = vec![0; 50_000];
    while started.elapsed() < STALL {
        read(&mut small, &mut received);
        round_trip(&other, b"meanwhile").expect("an echo");
        round_trips += 1;
        // What was taken is counted a little late.
        let on_the_way = taken.load(Ordering::Relaxed).saturating_sub(received);
        assert!(on_the_way < ON_THE_WAY, "{on_the_way} bytes are on the way");
        thread::sleep(Duration::from_millis(50));
    }
    let growth: Vec<_> = std::iter::zip(processes, before)
        .map(|(pid, before)| resident_bytes(pid).saturating_sub(before) / MIB)
        .collect();
    assert!(growth.iter().all(|&growth| growth < ON_THE_WAY / MIB), "client, server, NATS: {growth:?} MiB");
    assert!(round_trips > 10, "{round_trips} round trips beside a slow reader in {STALL:?}");
    assert!(taken.load(Ordering::Relaxed) < SENT, "nothing held the sender back");

    let mut large = vec![0; 256 << 10];
    while read(&mut large, &mut received) > 0 {}
    assert_eq!(received, SENT);
}
