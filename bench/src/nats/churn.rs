//! Resources that remain after sessions have ended.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::far_end::ECHO;
use super::super::report::{Target, figure, markdown};
use super::super::verdict;
use super::scale::Scale;
use super::streams::MIB;
use super::tunnel::Tunnel;

const WORKERS: usize = 8;

/// Time limit for the programs to release ended sessions.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Allowance in MiB for buffers, tables and memory that allocators keep.
const MIB_LEFT: f64 = 4.0;

const LABELS: [&str; 5] = [
    "subscriptions at nats-server",
    "descriptors, client",
    "descriptors, server",
    "resident, client, MiB",
    "resident, server, MiB",
];

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let tunnel = Tunnel::start(&[])?;
    let before = held(&tunnel);
    let begin = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| (0..scale.churned / WORKERS).try_for_each(|_| tunnel.open(ECHO).map(drop)))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker only connects"))
    })
    .context("churn")?;
    let opened = begin.elapsed();
    let at_once = held(&tunnel);
    let ended = Instant::now();
    while held(&tunnel)[..3] != before[..3] && ended.elapsed() < END_TIMEOUT {
        thread::sleep(Duration::from_millis(100));
    }
    let forgotten = ended.elapsed();
    thread::sleep(scale.giving_back);
    let after = held(&tunnel);
    println!(
        "\n### {} sessions opened and closed by {WORKERS} workers\n\n{}",
        scale.churned,
        markdown(
            ["", "before", "at the end", "later"].map(str::to_owned).to_vec(),
            LABELS.iter().enumerate().map(|(row, label)| {
                let figures = [before[row], at_once[row], after[row]];
                std::iter::once((*label).to_owned()).chain(figures.map(figure)).collect()
            })
        )
    );
    println!(
        "\n{} sessions a second; descriptors and subscriptions were back after {:.1} s.",
        figure(scale.churned as f64 / opened.as_secs_f64()),
        forgotten.as_secs_f64()
    );
    let bounds = [0.0, 0.0, 0.0, MIB_LEFT, MIB_LEFT];
    Ok(LABELS
        .iter()
        .zip(bounds)
        .enumerate()
        .map(|(row, (label, bound))| {
            verdict::at_most(&format!("left by ended sessions: {label}"), after[row] - before[row], bound)
        })
        .collect())
}

/// Returns the held resources in the order of [`LABELS`].
fn held(tunnel: &Tunnel) -> [f64; 5] {
    let [client, server] = tunnel.pids();
    [
        tunnel.nats().subscriptions() as f64,
        testkit::open_descriptors(client) as f64,
        testkit::open_descriptors(server) as f64,
        testkit::resident_bytes(client) as f64 / MIB,
        testkit::resident_bytes(server) as f64 / MIB,
    ]
}
