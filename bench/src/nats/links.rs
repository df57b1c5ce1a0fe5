//! Links with limited bandwidth and with long delay between the client and NATS, which several sessions
//! share. fault-proxy simulates both.

use std::io::Read as _;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::far_end::ECHO;
use super::super::load::{CHUNK, ping};
use super::super::report::{Target, figure, markdown, percentile};
use super::super::verdict;
use super::scale::Scale;
use super::streams::{MIB, download, source};
use super::tunnel::Tunnel;
use super::turns::medians;

/// 10 Mbit/s in bytes per second.
const RATE: f64 = 1_250_000.0;
const SLOW: &str = "--control off --max-in-flight 64KiB
    --with-latency --latency-distribution constant --latency-mean 10ms --latency-direction both
    --with-bandwidth --bandwidth-rate 1250KBps --bandwidth-scope proxy --bandwidth-direction both";
const LONG: &str = "--control off --max-in-flight 512MiB --max-in-flight-total 2GiB
    --with-latency --latency-distribution constant --latency-mean 50ms --latency-direction both";

/// Time until downloads have reached their rate.
const FILL_TIME: Duration = Duration::from_secs(4);
const PINGS: usize = 50;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let slow = medians("slow link", scale.long_rounds, &[("slow link", &slow as &dyn Fn() -> _)])?[0];
    let long = || Ok([download(&Tunnel::start_over(Some(LONG), &[])?, scale.bulk_bytes)? * MIB / 1e6]);
    let [long] = medians("long link", scale.long_rounds, &[("long link", &long as &dyn Fn() -> _)])?[0];
    let [idle, beside_one, beside_four, opening, free, goodput] = slow;
    let rows = [
        ("echo alone, p50, ms", idle),
        ("echo during one download, p50, ms", beside_one),
        ("echo during four downloads, p50, ms", beside_four),
        ("new session during four downloads, ms", opening),
        ("new session after their abort, ms", free),
        ("share of the link that one download gets", goodput),
        ("one download at 100 ms without a limit, MB/s", long),
    ];
    println!(
        "\n### A link of 10 Mbit/s and 20 ms, and one of 100 ms ({} rounds)\n\n{}",
        scale.long_rounds,
        markdown(
            ["", "median"].map(str::to_owned).to_vec(),
            rows.iter().map(|(name, value)| vec![(*name).to_owned(), figure(*value)])
        )
    );
    Ok(vec![
        verdict::at_most("slow link, echo during one download: times alone", beside_one / idle, 5.0),
        verdict::at_most("slow link, echo during four downloads: times alone", beside_four / idle, 8.0),
        verdict::at_most("slow link, new session during four downloads: s", opening / 1000.0, 2.0),
        verdict::at_most("slow link, new session after their abort: s", free / 1000.0, 1.0),
        verdict::at_least("slow link, one download: share of the link", goodput, 0.95),
        verdict::at_least("100 ms, one download: MB/s", long, 100.0),
    ])
}

/// Measures a slow link. Returns the figures in the order of the table.
fn slow() -> Result<[f64; 6]> {
    let tunnel = Tunnel::start_over(Some(SLOW), &[])?;
    let mut echo = [tunnel.open(ECHO)?];
    let mut p50 = || ping(&mut echo, PINGS).map(|times| milliseconds(percentile(&times, 0.5)));
    let open = || {
        let begin = Instant::now();
        ping(&mut [tunnel.open(ECHO)?], 1)?;
        anyhow::Ok(milliseconds(begin.elapsed()))
    };
    let idle = p50()?;
    let count = AtomicU64::new(0);
    let (beside_one, goodput) = beside(&tunnel, 1, &count, || {
        let (begin, before) = (Instant::now(), count.load(Ordering::Relaxed));
        let beside = p50()?;
        let read = count.load(Ordering::Relaxed) - before;
        Ok((beside, read as f64 / begin.elapsed().as_secs_f64() / RATE))
    })?;
    let (beside_four, opening) = beside(&tunnel, 4, &count, || Ok((p50()?, open()?)))?;
    let free = open()?;
    Ok([idle, beside_one, beside_four, opening, free, goodput])
}

/// Measures while downloads run, and aborts them at the end. `count` is the number of bytes that they have read.
fn beside<T>(
    tunnel: &Tunnel,
    downloads: usize,
    count: &AtomicU64,
    measure: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let downloads = (0..downloads).map(|_| source(tunnel, u64::MAX)).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let readers: Vec<_> =
            downloads.iter().map(|download| scope.spawn(|| discard(download, count))).collect();
        thread::sleep(FILL_TIME);
        let measured = measure();
        let ended: Result<()> = downloads
            .iter()
            .try_for_each(|download| download.shutdown(Shutdown::Both).context("a download has ended"));
        readers.into_iter().for_each(|reader| reader.join().expect("it only reads"));
        ended.and(measured)
    })
}

fn discard(mut download: &TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = download.read(&mut buffer) {
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
