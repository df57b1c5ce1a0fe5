//! Results depending on the number of sessions.

use anyhow::Result;

use super::bulk::{Flow, transfer};
use super::connections::rate;
use super::far_end::ECHO;
use super::load::{open_all, ping};
use super::peers::Peer;
use super::report::{percentile, print_table};
use super::rounds::measured;
use super::scale::Scale;

const WORKERS: u8 = 4;

const TABLES: [&str; 6] = [
    "Growth: throughput of N streams, GB/s",
    "Growth: round trip over N sessions in turn, p50, µs",
    "Growth: round trip over N sessions in turn, p99, µs",
    "Growth: connections/s with N idle sessions, 4 workers",
    "Growth: errors of those connections",
    "Growth: resident memory, bytes per session",
];

pub(super) fn run(scale: &Scale) -> Result<()> {
    let mut tables = TABLES.map(|_| Vec::new());
    for &sessions in scale.growth {
        let label = format!("N = {sessions}");
        let [throughput] =
            measured(&format!("growth, {label}, bulk"), scale.long_rounds, [&label], |peer| {
                Ok([Some(transfer(peer, sessions, Flow::ToFarEnd, scale.bulk_bytes)?.throughput)])
            })?;
        let [p50, p99, per_second, errors, resident] =
            measured(&format!("growth, {label}"), scale.long_rounds, [&*label; 5], |peer| {
                measure(peer, sessions, scale)
            })?;
        let rows = [throughput, p50, p99, per_second, errors.summed(), resident];
        for (table, row) in tables.iter_mut().zip(rows) {
            table.push(row);
        }
    }
    for (title, rows) in TABLES.iter().zip(&tables) {
        print_table(title, rows);
    }
    Ok(())
}

/// Returns round trip p50 and p99, connections per second, their errors, and bytes per session.
fn measure(peer: &Peer, sessions: usize, scale: &Scale) -> Result<[Option<f64>; 5]> {
    let before = peer.resident_bytes();
    let mut open = open_all(peer, ECHO, sessions)?;
    let with = peer.resident_bytes();
    ping(&mut open, scale.warm_up_pings.max(sessions))?;
    let times = ping(&mut open, scale.pings)?;
    let connections = rate(peer, WORKERS, scale.connecting);
    let micros = |quantile| Some(percentile(&times, quantile).as_secs_f64() * 1e6);
    Ok([
        micros(0.50),
        micros(0.99),
        Some(connections.per_second),
        Some(connections.errors),
        with.zip(before).map(|(with, before)| (with - before) / sessions as f64),
    ])
}
