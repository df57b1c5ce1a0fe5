//! Metrics of sessions.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::write::{Labels, counters, gauges, series, with};
use crate::watch::SessionMetrics;

/// Session metrics with their labels.
pub(super) type LabeledMetrics = (Labels, SessionMetrics);

pub(super) fn encode(rows: &[LabeledMetrics], mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let totals: Vec<_> = rows.iter().map(|(labels, watch)| (labels, watch.live().stats())).collect();
    let opened = totals.iter().map(|(labels, totals)| ((*labels).clone(), totals.sessions));
    counters(&mut encoder, "sessions_opened", "Started sessions", opened)?;
    #[allow(clippy::cast_precision_loss, reason = "the count is far below 2^52")]
    let active = totals.iter().map(|(labels, totals)| ((*labels).clone(), totals.active as f64));
    gauges(&mut encoder, "sessions_active", "Open sessions", active)?;
    let ended = totals.iter().flat_map(|(labels, totals)| {
        totals.ends.by_end().map(|(end, count)| (with(labels, "end", end), count))
    });
    counters(&mut encoder, "sessions", "Ended sessions", ended)?;
    let errors = totals.iter().flat_map(|(labels, totals)| {
        totals.ends.by_reason().map(|(reason, count)| (with(labels, "reason", reason), count))
    });
    counters(&mut encoder, "errors", "Sessions that failed", errors)?;
    let bytes = totals.iter().flat_map(|(labels, totals)| {
        [
            (with(labels, "direction", "to_upstream"), totals.bytes.to_upstream),
            (with(labels, "direction", "to_downstream"), totals.bytes.to_downstream),
        ]
    });
    counters(&mut encoder, "bytes", "Bytes delivered", bytes)?;
    let seconds = Some(&Unit::Seconds);
    let durations = rows.iter().map(|(labels, watch)| (labels.clone(), watch.duration().clone()));
    let help = "Time from accept to end of sessions";
    series(&mut encoder, ("session_duration", help, seconds), MetricType::Histogram, durations)?;
    let connects = rows.iter().map(|(labels, watch)| (labels.clone(), watch.connect().clone()));
    let help = "Time to reach upstreams";
    series(&mut encoder, ("connect_duration", help, seconds), MetricType::Histogram, connects)
}
