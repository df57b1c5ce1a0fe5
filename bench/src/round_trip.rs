//! Round trip of 64 bytes, one ping at a time on one connection.

use anyhow::Result;

use super::far_end::ECHO;
use super::load::{PING_BYTES, open_all, ping};
use super::peers::{Peer, PeerKind};
use super::report::{Row, Target, percentile};
use super::rounds::Comparison;
use super::scale::Scale;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let [p50, p99] = measured(&Comparison::RELAY, scale)?;
    let added_p50 = p50.over(PeerKind::Direct, "added to the round trip, p50, µs");
    let added_p99 = p99.over(PeerKind::Direct, "added to the round trip, p99, µs");
    let targets = [&added_p50, &added_p99]
        .map(|row| Target::at_most(row, "HAProxy", row.value(PeerKind::Haproxy)))
        .into();
    print(&Comparison::RELAY, &[p50, p99, added_p50, added_p99]);
    Ok(targets)
}

/// Measures the median and the 99th percentile of a round trip.
pub(super) fn measured(comparison: &Comparison<'_>, scale: &Scale) -> Result<[Row; 2]> {
    let labels = ["round trip, p50, µs", "round trip, p99, µs"];
    comparison.measured(
        "round trip",
        scale.short_rounds,
        labels,
        |peer| Ok(quantiles(peer, scale)?.map(Some)),
    )
}

pub(super) fn print(comparison: &Comparison<'_>, rows: &[Row]) {
    comparison.print(&format!("Round trip of {PING_BYTES} bytes"), rows);
}

/// Returns the median and the 99th percentile in microseconds.
fn quantiles(peer: &Peer, scale: &Scale) -> Result<[f64; 2]> {
    let mut session = open_all(peer, ECHO, 1)?;
    ping(&mut session, scale.warm_up_pings)?;
    let times = ping(&mut session, scale.pings)?;
    Ok([0.50, 0.99].map(|quantile| percentile(&times, quantile).as_secs_f64() * 1e6))
}
