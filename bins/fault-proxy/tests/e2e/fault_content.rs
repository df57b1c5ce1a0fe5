//! Faults on the bytes themselves: flipped bits, small pieces, holes.

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::mpsc::{self, Receiver},
};

use crate::fault_support::{Scheduled, ms, timed};
use crate::support::{PATIENCE, Proxy, receive, send};
use testkit::{Pattern, TcpServer};

/// Returns an upstream that reports all received data, one item per read.
fn listener() -> (TcpServer, Receiver<Vec<Vec<u8>>>) {
    let (heard, hears) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        let (mut parts, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            parts.push(buffer[..length].to_vec());
        }
        heard.send(parts).ok();
    });
    (far_end, hears)
}

fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Pattern::new(12).fill(0, &mut bytes);
    bytes
}

#[test]
fn corruption_flips_one_bit_in_a_share_of_the_bytes_the_same_ones_with_the_same_seed() {
    const SIZE: usize = 100_000;
    let (far_end, hears) = listener();
    let corrupted = |seed: &str, chunk: usize| {
        let options = ["--with-corrupt", "--corrupt-rate", "1%", "--corrupt-side", "client", "--seed", seed];
        let proxy = Proxy::with(far_end.addr(), &options);
        let mut client = proxy.connect();
        pattern(SIZE).chunks(chunk).for_each(|part| client.write_all(part).unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        hears.recv_timeout(PATIENCE).unwrap().concat()
    };
    let first = corrupted("1", SIZE);
    assert_eq!(first.len(), SIZE);
    let flipped: Vec<_> =
        first.iter().zip(pattern(SIZE)).map(|(got, sent)| (got ^ sent).count_ones()).collect();
    assert!(flipped.iter().all(|bits| *bits <= 1));
    let changed = flipped.iter().filter(|bits| **bits == 1).count();
    assert!((800..1200).contains(&changed), "{changed} of {SIZE}");
    assert!(corrupted("1", 777) == first, "other bytes with the same seed");
    assert!(corrupted("2", SIZE) != first, "the same bytes with another seed");
}

#[test]
fn corruption_leaves_the_other_direction_alone() {
    const SIZE: u64 = 1_000_000;
    let far_end = TcpServer::start(|stream| {
        send(&stream, &Pattern::new(3), 0, SIZE).ok();
        receive(&stream, &Pattern::new(3), 0).ok();
    });
    let options = ["--with-corrupt", "--corrupt-rate", "0.5", "--corrupt-side", "client"];
    let proxy = Proxy::with(far_end.addr(), &options);
    assert_eq!(receive(&proxy.connect(), &Pattern::new(3), 0).unwrap(), SIZE);
}

#[test]
fn slices_are_small_and_apart_and_together_what_was_sent() {
    let (far_end, hears) = listener();
    let options =
        ["--with-slicer", "--slicer-size", "100", "--slicer-variation", "20", "--slicer-delay", "10ms"];
    let proxy = Proxy::with(far_end.addr(), &[&options[..], &["--slicer-side", "client"]].concat());
    let mut client = proxy.connect();
    let (parts, took) = timed(|| {
        client.write_all(&pattern(5_000)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        hears.recv_timeout(PATIENCE).unwrap()
    });
    assert!(parts.concat() == pattern(5_000));
    // 42 slices of at most 120 bytes, at least.
    assert!(took >= ms(41 * 10), "{took:?}");
    // A reader that is late finds several.
    assert!(parts.len() >= 10, "{} reads", parts.len());
    assert!(parts.iter().any(|part| (80..=120).contains(&part.len())), "{:?}", parts.iter().map(Vec::len));
}

#[test]
fn slices_without_a_delay_lose_nothing() {
    const SIZE: u64 = 2_000_000;
    let far_end = TcpServer::echo();
    let options =
        ["--with-slicer", "--slicer-size", "700", "--slicer-variation", "699", "--slicer-direction", "both"];
    let proxy = Proxy::with(far_end.addr(), &options);
    let client = proxy.connect();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| send(&client, &Pattern::new(5), 0, SIZE).unwrap());
        receive(&client, &Pattern::new(5), 0).unwrap()
    });
    assert_eq!(received, SIZE);
}

#[test]
fn what_is_sent_into_a_discarding_blackhole_is_missing() {
    let (part, parts) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        let mut buffer = [0; 100];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            part.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).ok();
        }
        part.send("<end>".into()).ok();
    });
    let options = ["--with-blackhole", "--blackhole-mode", "discard", "--blackhole-side", "client"];
    let schedule = ["--blackhole-sched", "start:1500ms,duration:2s"];
    let scheduled = Scheduled::with(far_end.addr(), &[&options[..], &schedule].concat());
    let mut client = scheduled.proxy.connect();
    client.write_all(b"before").unwrap();
    assert_eq!(parts.recv_timeout(PATIENCE).unwrap(), "before");
    scheduled.sleep_until(ms(1700));
    client.write_all(b"meanwhile").unwrap();
    scheduled.sleep_until(ms(3600));
    client.write_all(b"after").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(parts.recv_timeout(PATIENCE).unwrap(), "after");
    assert_eq!(parts.recv_timeout(PATIENCE).unwrap(), "<end>");
}
