//! Metrics of proxies and their faults.

use std::fmt;
use std::time::Duration;

use fault_proxy_engine::{Direction, DurationHistogram, Fault, FaultStats};
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::write::{Counted, Labels, counters, gauges, series};
use crate::proxies::{FaultRecord, Proxies, Proxy};

/// Upper bounds of the buckets in milliseconds.
const DELAY_BUCKETS: [f64; 15] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 30_000.0];

/// A fault with its statistics and labels.
struct Row {
    labels: Labels,
    is_on: bool,
    figures: Option<(Fault, FaultStats)>,
}

pub(super) fn encode(proxies: &Proxies, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let (all, now) = (proxies.all(), proxies.engine().now());
    let of_proxy = |proxy: &Proxy| vec![("proxy", proxy.name.clone())];
    let enabled = all.iter().map(|proxy| (of_proxy(proxy), f64::from(u8::from(proxy.enabled))));
    gauges(&mut encoder, "proxy_enabled", "Whether the proxy listens", enabled)?;
    #[allow(clippy::cast_precision_loss, reason = "the count is far below 2^52")]
    let held = all.iter().map(|proxy| {
        let of = |direction| proxy.engine.flow_stats(direction).held;
        (of_proxy(proxy), (of(Direction::ToUpstream) + of(Direction::ToDownstream)) as f64)
    });
    gauges(&mut encoder, "held_bytes", "Bytes that faults hold", held)?;
    let rows: Vec<_> = all.iter().flat_map(|proxy| rows(proxy, now)).collect();
    let on = rows.iter().map(|row| (row.labels.clone(), f64::from(u8::from(row.is_on))));
    gauges(&mut encoder, "fault_on", "Whether the fault is on", on)?;
    let counts = |count: fn(&(Fault, FaultStats)) -> u64| {
        rows.iter().map(move |row| (row.labels.clone(), row.figures.as_ref().map_or(0, count)))
    };
    counters(
        &mut encoder,
        "fault_sessions",
        "Sessions that the fault was drawn for",
        counts(|(_, figures)| figures.sessions),
    )?;
    counters(
        &mut encoder,
        "faults_applied",
        "Actions of the fault",
        counts(|(fault, figures)| figures.applied(&fault.effect)),
    )?;
    let delays =
        rows.iter().filter_map(|row| Some((row.labels.clone(), counted(&row.figures.as_ref()?.1.held))));
    let help = "How long pieces were held by the fault";
    series(&mut encoder, ("injected_delay", help, Some(&Unit::Seconds)), MetricType::Histogram, delays)
}

fn rows(proxy: &Proxy, now: Duration) -> Vec<Row> {
    let mut figures: Vec<(Fault, FaultStats)> = proxy.engine.stats();
    let row = |record: &FaultRecord| {
        let place = figures.iter().position(|(fault, _)| fault.name == record.name);
        Row {
            labels: vec![
                ("proxy", proxy.name.clone()),
                ("fault", record.name.clone()),
                ("type", record.kind.clone()),
            ],
            is_on: record.fault.as_ref().is_some_and(|fault| fault.windows.is_on(now)),
            figures: place.map(|place| figures.swap_remove(place)),
        }
    };
    proxy.faults.iter().map(row).collect()
}

pub(super) fn counted(delays: &DurationHistogram) -> Counted {
    let mut below = 0;
    let mut buckets: Vec<_> = DELAY_BUCKETS
        .iter()
        .map(|millis| {
            let within = delays.count_within(Duration::from_secs_f64(millis / 1e3));
            let between = within - below;
            below = within;
            (millis / 1e3, between)
        })
        .collect();
    let count = delays.count();
    buckets.push((f64::INFINITY, count - below));
    Counted { sum: delays.sum().as_secs_f64(), count, buckets }
}

/// Writes the metrics with the names of Toxiproxy. Bytes that were received but are neither sent nor held
/// were discarded by faults.
pub(super) fn encode_compatible(proxies: &Proxies, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for proxy in proxies.all() {
        let moved = proxy.watch.live().stats().bytes;
        let with_faults = |moved: u64, direction| {
            let passage = proxy.engine.flow_stats(direction);
            moved + passage.received.saturating_sub(passage.delivered)
        };
        let came = proxy.watch.received(
            with_faults(moved.to_upstream, Direction::ToUpstream),
            with_faults(moved.to_downstream, Direction::ToDownstream),
        );
        let labels = |direction: &str| {
            vec![
                ("direction", direction.to_owned()),
                ("listener", proxy.listen.to_string()),
                ("proxy", proxy.name.clone()),
                ("upstream", proxy.upstream.text.clone()),
            ]
        };
        received.extend([(labels("upstream"), came[0]), (labels("downstream"), came[1])]);
        sent.extend([(labels("upstream"), moved.to_upstream), (labels("downstream"), moved.to_downstream)]);
    }
    counters(&mut encoder, "toxiproxy_proxy_received_bytes", "Bytes received, by direction", received)?;
    counters(&mut encoder, "toxiproxy_proxy_sent_bytes", "Bytes delivered, by direction", sent)
}
