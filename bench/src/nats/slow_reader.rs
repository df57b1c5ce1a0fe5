//! The throughput of a stream while another stream has a slow reader.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::report::{Target, figure, markdown};
use super::super::verdict;
use super::scale::Scale;
use super::streams::{download, source};
use super::tunnel::Tunnel;
use super::turns::medians;

const SHARE: f64 = 0.90;

/// Bytes per read of the slow reader, which reads ten times per second.
const READ_SIZE: usize = 100_000;
const PAUSE: Duration = Duration::from_millis(100);

/// Time until all buffers between the far end and the slow reader are full.
const FILL_TIME: Duration = Duration::from_secs(2);

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let alone = || Ok([download(&Tunnel::start(&[])?, scale.bulk_bytes)?]);
    let beside_none = || beside(None, scale.bulk_bytes);
    let beside_slow = || beside(Some(READ_SIZE), scale.bulk_bytes);
    let contenders: [(&str, &dyn Fn() -> _); 3] = [
        ("alone", &alone),
        ("with a reader that stopped", &beside_none),
        ("with a reader of 1 MB/s", &beside_slow),
    ];
    let rates = medians("slow reader", scale.rounds, &contenders)?;
    let alone = rates[0][0];
    println!(
        "\n### 1 stream from the far end, with a slow reader ({} rounds)\n\n{}",
        scale.rounds,
        markdown(
            ["", "MiB/s", "of alone"].map(str::to_owned).to_vec(),
            contenders
                .iter()
                .zip(&rates)
                .map(|((name, _), [rate])| { vec![(*name).to_owned(), figure(*rate), figure(rate / alone)] })
        )
    );
    Ok(contenders[1..]
        .iter()
        .zip(&rates[1..])
        .map(|((name, _), [rate])| {
            verdict::at_least(&format!("1 stream {name}: share of alone"), rate / alone, SHARE)
        })
        .collect())
}

/// Returns MiB per second next to a reader that reads `read_size` bytes at a time.
fn beside(read_size: Option<usize>, bytes: u64) -> Result<[f64; 1]> {
    let tunnel = Tunnel::start(&[])?;
    let slow = source(&tunnel, u64::MAX)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (slow, is_over) = (&slow, &is_over);
        let reader = read_size.map(|read_size| scope.spawn(move || take(slow, read_size, is_over)));
        thread::sleep(FILL_TIME);
        let rate = download(&tunnel, bytes);
        is_over.store(true, Ordering::Relaxed);
        reader.map_or(Ok(()), |reader| reader.join().expect("it only reads"))?;
        Ok([rate?])
    })
}

fn take(mut slow: &TcpStream, read_size: usize, is_over: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; read_size];
    while !is_over.load(Ordering::Relaxed) {
        slow.read_exact(&mut buffer).context("the slow reader lost its stream")?;
        thread::sleep(PAUSE);
    }
    Ok(())
}
