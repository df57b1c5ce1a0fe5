//! Processor time of sessions with faults.

use anyhow::{Context, Result};

use super::super::bulk::{Flow, transfer};
use super::super::peers::Peer;
use super::super::report::{Target, figure, markdown, median};
use super::scale::Scale;
use super::{bandwidth_flags, latency_flags, on_requests, verdict};

/// Target, relative to the processor time without faults.
const SHARE: f64 = 1.3;
/// Bytes per second that no machine reaches.
const UNREACHED: u64 = 100_000_000_000;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let (latency, bandwidth) = (latency_flags(1), bandwidth_flags(UNREACHED));
    let jitter = "--with-jitter --jitter-side server --jitter-direction egress";
    let ways = [
        ("no faults", String::new()),
        ("latency 1 ms", on_requests(&[&latency])),
        ("bandwidth 100 GB/s", on_requests(&[&bandwidth])),
        ("both and jitter", on_requests(&[&latency, &bandwidth, jitter])),
    ];
    let mut costs = ways.each_ref().map(|_| Vec::new());
    let mut throughputs = ways.each_ref().map(|_| Vec::new());
    for round in 1..=scale.rounds {
        for (way, (label, flags)) in ways.iter().enumerate() {
            let transferred = Peer::ours(flags)
                .and_then(|peer| transfer(&peer, 1, Flow::ToFarEnd, scale.cpu_bytes))
                .with_context(|| format!("cpu, {label}"))?;
            let cost = transferred.cpu_seconds.context("fault-proxy has no processor time")?;
            eprintln!("cpu: {label}, round {round} of {}: {cost:.3} s/GB", scale.rounds);
            costs[way].push(cost);
            throughputs[way].push(transferred.throughput);
        }
    }
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (way, (label, _)) in ways.iter().enumerate() {
        let ratios: Vec<f64> =
            costs[way].iter().zip(&costs[0]).map(|(with, without)| with / without).collect();
        let ratio = median(&ratios);
        let figures = [median(&costs[way]), ratio, median(&throughputs[way])].map(figure);
        rows.push([(*label).to_owned()].into_iter().chain(figures).collect());
        if way > 0 {
            targets.push(verdict::at_most(&format!("{label}: CPU, share of no faults"), ratio, SHARE));
        }
    }
    let header = ["", "CPU s/GB", "of no faults", "GB/s"];
    println!(
        "\n### Processor time of 1 stream to the far end ({} rounds)\n\n{}",
        scale.rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    Ok(targets)
}
