//! Checks that latency does not reduce throughput, with 1 GiB through 50 ms of latency.

use std::time::Duration;

use anyhow::{Context, Result};

use super::super::report::{Target, figure, markdown, median};
use super::arrivals::sustained_rate;
use super::greedy::{Amount, flow};
use super::path::Path;
use super::scale::Scale;
use super::{latency_flags, on_requests, verdict};

const BYTES: u64 = 1 << 30;
const LATENCY_MILLIS: u64 = 50;
/// Target, relative to the throughput without faults.
const SHARE: f64 = 0.9;

/// Throughput of one transfer in GB/s.
#[derive(Clone, Copy, Debug)]
struct Throughput {
    /// From the first write to the arrival of the receiver's count, including the latency.
    whole: f64,
    /// From the first to the last byte that arrives.
    sustained: f64,
}

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let latency = on_requests(&[&latency_flags(LATENCY_MILLIS)]);
    let more_in_flight = format!("{latency} --max-in-flight 256MiB");
    let ways = [
        ("direct", None),
        ("no faults", Some("")),
        ("latency 50 ms", Some(latency.as_str())),
        ("latency 50 ms, 256 MiB in flight", Some(more_in_flight.as_str())),
    ];
    let mut found = ways.map(|_| Vec::new());
    for round in 1..=scale.rounds {
        for ((label, flags), found) in ways.iter().zip(&mut found) {
            let path = flags.map_or_else(Path::direct, Path::through)?;
            let throughput = transfer(&path).with_context(|| format!("pipeline, {label}"))?;
            eprintln!("pipeline: {label}, round {round} of {}: {throughput:.2?}", scale.rounds);
            found.push(throughput);
        }
    }
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for ((label, _), found_here) in ways.iter().zip(&found) {
        let mut cells = vec![(*label).to_owned()];
        for (kind, of) in KINDS {
            let ratios: Vec<f64> =
                found_here.iter().zip(&found[1]).map(|(with, without)| of(with) / of(without)).collect();
            let ratio = median(&ratios);
            let throughputs: Vec<f64> = found_here.iter().map(of).collect();
            cells.extend([median(&throughputs), ratio].map(figure));
            if label.starts_with("latency") {
                let label = format!("{label}: {kind}, share of no faults");
                targets.push(verdict::at_least(&label, ratio, SHARE));
            }
        }
        rows.push(cells);
    }
    let header = ["", "whole, GB/s", "of no faults", "sustained, GB/s", "of no faults"];
    println!(
        "\n### 1 GiB through latency ({} rounds)\n\n{}",
        scale.rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    Ok(targets)
}

type Kind = (&'static str, fn(&Throughput) -> f64);
const KINDS: [Kind; 2] =
    [("whole", |throughput| throughput.whole), ("sustained", |throughput| throughput.sustained)];

fn transfer(path: &Path) -> Result<Throughput> {
    let flow = flow(path.connect()?, &path.listener, Amount::Bytes(BYTES))?;
    let whole = flow.acknowledged.map_or(f64::NAN, |time: Duration| BYTES as f64 / time.as_secs_f64());
    Ok(Throughput { whole: whole / 1e9, sustained: sustained_rate(&flow.arrivals) / 1e9 })
}
