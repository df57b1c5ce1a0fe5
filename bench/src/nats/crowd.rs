//! Many concurrent streams: their total throughput, and whether it is shared fairly.

use std::io::Write as _;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::super::far_end::LEAN_SOURCE;
use super::super::load::{count_to_end, runtime};
use super::super::report::{Target, figure, markdown};
use super::super::verdict;
use super::scale::Scale;
use super::streams::MIB;
use super::tunnel::Tunnel;
use super::turns::medians;

const SHARE: f64 = 0.70;
const SLOWEST: f64 = 0.25;

/// Time until all streams have reached their rate.
const SETTLE_TIME: Duration = Duration::from_secs(2);

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let one = || watch(1, scale.watching);
    let many = || watch(scale.sessions, scale.watching);
    let name = format!("{} streams", scale.sessions);
    let contenders: [(&str, &dyn Fn() -> _); 2] = [("1 stream", &one), (&name, &many)];
    let figures = medians("crowd", scale.long_rounds, &contenders)?;
    println!(
        "\n### Many streams from the far end ({} rounds of {:?})\n\n{}",
        scale.long_rounds,
        scale.watching,
        markdown(
            ["", "together, MiB/s", "slowest, of the mean", "fastest, of the mean"]
                .map(str::to_owned)
                .to_vec(),
            contenders.iter().zip(&figures).map(|((name, _), figures)| {
                std::iter::once((*name).to_owned()).chain(figures.map(figure)).collect()
            })
        )
    );
    let [[one, ..], [many, slowest, _]] = figures[..] else { unreachable!("two contenders") };
    Ok(vec![
        verdict::at_least(&format!("{name} together: share of 1 stream"), many / one, SHARE),
        verdict::at_least(&format!("{name}, the slowest: share of the mean"), slowest, SLOWEST),
    ])
}

/// Returns the total MiB per second, and the slowest and the fastest stream relative to their mean.
fn watch(streams: usize, watching: Duration) -> Result<[f64; 3]> {
    let tunnel = Tunnel::start(&[])?;
    let mut sources = tunnel.open_all(LEAN_SOURCE, streams)?;
    for source in &mut sources {
        source.write_all(&u64::MAX.to_be_bytes()).context("cannot ask for bytes")?;
    }
    let (moved, seconds) = runtime()?.block_on(moved(sources, watching))?;
    let total = moved.iter().sum::<u64>() as f64;
    let mean = total / streams as f64;
    let share = |bytes: Option<&u64>| bytes.map_or(f64::NAN, |bytes| *bytes as f64 / mean);
    Ok([total / MIB / seconds, share(moved.iter().min()), share(moved.iter().max())])
}

/// Returns the bytes that each stream delivers in about `watching`, and the exact time in seconds.
async fn moved(sources: Vec<StdStream>, watching: Duration) -> Result<(Vec<u64>, f64)> {
    let mut readers = JoinSet::new();
    let mut counts = Vec::with_capacity(sources.len());
    for source in sources {
        source.set_nonblocking(true)?;
        let stream = TcpStream::from_std(source)?;
        let count = Arc::new(AtomicU64::new(0));
        counts.push(Arc::clone(&count));
        readers.spawn(async move { count_to_end(&stream, &count).await });
    }
    let look = || counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    sleep(SETTLE_TIME).await;
    let (before, begin) = (look(), Instant::now());
    sleep(watching).await;
    let (after, seconds) = (look(), begin.elapsed().as_secs_f64());
    ensure!(readers.try_join_next().is_none(), "a stream ended early");
    Ok((after.iter().zip(before).map(|(after, before)| after - before).collect(), seconds))
}
