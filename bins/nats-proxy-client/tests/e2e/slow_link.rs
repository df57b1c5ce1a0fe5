//! A link that is slow between NATS and the client, made with fault-proxy.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::{Client, Server, client_binary, free_addr, patient};
use testkit::{Daemon, NatsServer, TcpServer};

/// 10 Mbit/s.
const SLOW: u64 = 1_250_000;

/// Both programs, with the link before the client.
#[derive(Debug)]
struct Slow {
    client: Client,
    _server: Server,
    _nats: NatsServer,
    _link: Daemon,
}

impl Slow {
    fn new(target: &TcpServer, bytes_per_second: u64) -> Self {
        let nats = NatsServer::start();
        let server = Server::at(&nats.url());
        let link = free_addr();
        let flags = format!(
            "run --control off --proxy {link}={} --max-in-flight 64KiB
             --with-latency --latency-distribution constant --latency-mean 10ms --latency-direction both
             --with-bandwidth --bandwidth-rate {bytes_per_second}Bps --bandwidth-scope proxy --bandwidth-direction both",
            nats.addr()
        );
        let flags: Vec<_> = flags.split_whitespace().collect();
        let fault_proxy = Daemon::spawn(&fault_proxy_binary(), &flags, &[]);
        fault_proxy.wait_for_line("listening on ");
        let client = Client::to(&format!("nats://{link}"), target.addr());
        Self { client, _server: server, _nats: nats, _link: fault_proxy }
    }

    fn open(&self, what: u8) -> TcpStream {
        let mut stream = patient(self.client.connect());
        stream.write_all(&[what]).expect("open");
        stream
    }

    /// The median of `count` echoes on an open session.
    fn echo(session: &TcpStream, count: usize) -> Duration {
        let mut times: Vec<_> = (0..count)
            .map(|_| {
                let begin = Instant::now();
                round_trip(session, b"x").expect("an echo");
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[count / 2]
    }
}

/// In the directory of the client program, as the server is.
fn fault_proxy_binary() -> std::path::PathBuf {
    let binary = client_binary().with_file_name("fault-proxy");
    assert!(binary.exists(), "{} is missing: run `cargo build -p fault-proxy`", binary.display());
    binary
}

/// Echoes to a client that sends `e`. Sends to others until they have closed.
fn upstream() -> TcpServer {
    TcpServer::start(|mut stream| {
        let mut first = [0];
        stream.read_exact(&mut first).expect("the client says what it wants");
        if first == *b"e" {
            std::io::copy(&mut &stream, &mut &stream).ok();
        } else {
            while stream.write_all(&[0; 16 << 10]).is_ok() {}
        }
    })
}

/// Reads until the session is shut down, adding what came to `count`.
fn discard(mut session: &TcpStream, count: &AtomicU64) {
    let mut buffer = [0; 16 << 10];
    while let Ok(got @ 1..) = session.read(&mut buffer) {
        count.fetch_add(got as u64, Ordering::Relaxed);
    }
}

#[test]
fn echoes_and_new_sessions_are_fast_beside_downloads_which_get_equal_shares() {
    let upstream = upstream();
    let slow = Slow::new(&upstream, SLOW);
    let echo = slow.open(b'e');
    Slow::echo(&echo, 10);
    let downloads = [(); 4].map(|()| slow.open(b'd'));
    let counts: [AtomicU64; 4] = Default::default();
    thread::scope(|scope| {
        for (download, count) in downloads.iter().zip(&counts) {
            scope.spawn(|| discard(download, count));
        }
        // Until windows without bounds would have filled the queue for some seconds.
        thread::sleep(Duration::from_secs(8));
        let before = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let begin = Instant::now();
        let beside = Slow::echo(&echo, 20);
        let opening = Instant::now();
        round_trip(&slow.open(b'e'), b"x").expect("an echo");
        let opening = opening.elapsed();
        thread::sleep(Duration::from_secs(4));
        let elapsed = begin.elapsed().as_secs_f64();
        let read: Vec<_> =
            counts.iter().zip(before).map(|(count, before)| count.load(Ordering::Relaxed) - before).collect();
        downloads.iter().for_each(|download| drop(download.shutdown(Shutdown::Both)));
        let total = read.iter().sum::<u64>();
        // Without care: 7 s, 10 s, and 1 % of the link for some.
        assert!(beside < Duration::from_secs(2), "an echo took {beside:?}");
        assert!(opening < Duration::from_secs(5), "a new session took {opening:?}");
        assert!(total as f64 > 0.5 * SLOW as f64 * elapsed, "{read:?} in {elapsed} s");
        assert!(read.iter().all(|read| *read > total / 16), "{read:?}");
    });
}

#[test]
fn the_link_is_free_soon_after_a_download_was_aborted() {
    let upstream = upstream();
    let slow = Slow::new(&upstream, SLOW / 10);
    let download = slow.open(b'd');
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| discard(&download, &count));
        while count.load(Ordering::Relaxed) < SLOW {
            thread::sleep(Duration::from_millis(10));
        }
        download.shutdown(Shutdown::Both).expect("open");
    });
    drop(download);
    let begin = Instant::now();
    round_trip(&slow.open(b'e'), b"x").expect("an echo");
    // Without care, more than 1 MiB is on its way after 1.25 MB: 8 s.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}
