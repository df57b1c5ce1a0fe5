//! The cost of a control plane for the data path. Runs with and without it take turns. Two runs without it show the noise.

use anyhow::Result;

use super::Scale;
use crate::bulk::{Flow, transfer};
use crate::connections::rate;
use crate::far_end::ECHO;
use crate::load::{open_all, ping};
use crate::peers::Peer;
use crate::report::{Target, figure, markdown, median, percentile};
use crate::verdict::{at_least, at_most};

const WITHOUT: &str = "--control off";
const WITH: &str = "--control 127.0.0.1:0";
const PEERS: [&str; 3] = [WITHOUT, WITHOUT, WITH];

/// Differences up to this share count as noise, because results on the same machine vary as much.
const TOLERANCE: f64 = 0.05;

const LABELS: [&str; 5] = [
    "1 stream to the far end, GB/s",
    "CPU s/GB",
    "round trip p50, µs",
    "connections/s, 1 worker",
    "connections/s, 16 workers",
];

/// Measurements of which lower is better.
const IS_COST: [&str; 2] = [LABELS[1], LABELS[2]];

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let mut samples: [[Vec<f64>; PEERS.len()]; LABELS.len()] = Default::default();
    for round in 1..=scale.rounds {
        // Start each round with another configuration.
        for turn in 0..PEERS.len() {
            let which = (turn + round) % PEERS.len();
            let figures = measure(&Peer::ours(PEERS[which])?, scale)?;
            eprintln!("cost: {} round {round} of {}: {figures:.2?}", PEERS[which], scale.rounds);
            for (row, sample) in samples.iter_mut().zip(figures) {
                row[which].push(sample);
            }
        }
    }
    let mut targets = Vec::new();
    let rows = LABELS.iter().zip(&samples).map(|(label, row)| {
        let [without, again, with] = row.each_ref().map(|samples| median(samples));
        let both = median(&[&row[0][..], &row[1]].concat());
        let (label_of_target, ratio) = (format!("{label}: with / without"), with / both);
        targets.push(if IS_COST.contains(label) {
            at_most(&label_of_target, ratio, 1.0 + TOLERANCE)
        } else {
            at_least(&label_of_target, ratio, 1.0 - TOLERANCE)
        });
        let figures = [without, again, with, again / without, with / both].map(figure);
        std::iter::once((*label).to_owned()).chain(figures).collect()
    });
    let header = ["", "without", "without, again", "with", "again / without", "with / without"];
    let table = markdown(header.map(str::to_owned).to_vec(), rows.collect::<Vec<_>>().into_iter());
    println!("\n### With and without a control plane ({} rounds)\n\n{table}", scale.rounds);
    Ok(targets)
}

fn measure(peer: &Peer, scale: &Scale) -> Result<[f64; LABELS.len()]> {
    let bulk = transfer(peer, 1, Flow::ToFarEnd, scale.bulk_bytes)?;
    let mut session = open_all(peer, ECHO, 1)?;
    ping(&mut session, scale.pings / 10)?;
    let times = ping(&mut session, scale.pings)?;
    Ok([
        bulk.throughput,
        bulk.cpu_seconds.unwrap_or(f64::NAN),
        percentile(&times, 0.5).as_secs_f64() * 1e6,
        rate(peer, 1, scale.connecting).per_second,
        rate(peer, 16, scale.connecting).per_second,
    ])
}
