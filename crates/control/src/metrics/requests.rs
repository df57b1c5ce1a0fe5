//! Metrics of requests.

use std::fmt;

use fault_proxy_engine::RequestStats;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::faults::counted;
use super::write::{Labels, counters, series, with};
use crate::proxies::Proxies;

/// Name and description of a count of [`RequestStats`].
type Count = (&'static str, &'static str, fn(&RequestStats) -> u64);

const COUNTS: [Count; 6] = [
    ("requests", "Requests that clients have begun", |stats| stats.requests),
    ("requests_forwarded", "Requests that were written to the upstream completely", |stats| stats.forwarded),
    ("requests_answered", "Requests that the upstream has answered completely", |stats| stats.answered),
    ("requests_delivered", "Requests whose response was written to the client completely", |stats| {
        stats.delivered
    }),
    (
        "requests_unconfirmed",
        "Requests that the upstream has executed, and whose response did not reach the client",
        |stats| stats.unconfirmed,
    ),
    ("requests_injected", "Requests that the proxy has responded to instead of the upstream", |stats| {
        stats.injected
    }),
];

pub(super) fn encode(proxies: &Proxies, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let all = proxies.all();
    let of_proxy = |name: &str| -> Labels { vec![("proxy", name.to_owned())] };
    let kinds: Vec<_> = all
        .iter()
        .flat_map(|proxy| {
            let stats = proxy.engine.request_stats().into_iter();
            stats.map(|stats| (with(&of_proxy(&proxy.name), "kind", &*stats.kind), stats))
        })
        .collect();
    for (name, help, count) in COUNTS {
        let values = kinds.iter().map(|(labels, stats)| (labels.clone(), count(stats)));
        counters(&mut encoder, name, help, values)?;
    }
    let durations = all.iter().flat_map(|proxy| {
        let kinds = proxy.engine.request_durations().into_iter();
        kinds.map(|(kind, durations)| (with(&of_proxy(&proxy.name), "kind", &*kind), counted(&durations)))
    });
    let help = "Time from the first byte of a request to the end of its response, as written to the client";
    let name = ("request_duration", help, Some(&Unit::Seconds));
    series(&mut encoder, name, MetricType::Histogram, durations)?;
    let opaque = all.iter().map(|proxy| (of_proxy(&proxy.name), proxy.engine.opaque_sessions()));
    counters(
        &mut encoder,
        "sessions_opaque",
        "Sessions whose requests could not be read to their end",
        opaque,
    )
}
