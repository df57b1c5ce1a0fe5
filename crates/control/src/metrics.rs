//! Metrics for Prometheus.

use std::fmt;

use fault_proxy_relay::Relay;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::proxies::Proxies;
use crate::watch::SessionMetrics;

mod faults;
#[cfg(target_os = "linux")]
mod process;
mod requests;
mod sessions;
mod write;

/// The metrics of one program.
///
/// Each name begins with the name of the program, as Prometheus's [naming practices] require: `nats-proxy-server` has
/// `nats_proxy_server_sessions_total`. The methods take names without this prefix. Units are base units
/// (seconds, bytes) and the last word of the name.
///
/// `PROGRAM_build_info{version="…"}` always exists. On Linux, these metrics without the prefix also exist: `process_cpu_seconds_total`,
/// `process_start_time_seconds`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_open_fds`,
/// `process_max_fds` and `process_threads`.
///
/// [naming practices]: https://prometheus.io/docs/practices/naming/
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Metrics whose names do not have the prefix of the program.
    foreign: Registry,
}

impl Metrics {
    /// Creates the metrics of `program`. The prefix of the names is the name of the program with `_` instead of `-`.
    pub fn new(program: &str, version: &str) -> Self {
        let mut registry = Registry::with_prefix(program.replace('-', "_"));
        registry.register("build", "The running program", Info::new([("version", version.to_owned())]));
        #[allow(unused_mut, reason = "other systems than Linux have no metrics of the process")]
        let mut foreign = Registry::default();
        #[cfg(target_os = "linux")]
        foreign.register_collector(Box::new(Scrape(process::encoder())));
        Self { registry, foreign }
    }

    /// Adds the metrics of the sessions that `watch` observes, which are read at each scrape:
    ///
    /// | name | content |
    /// |---|---|
    /// | `sessions_opened_total` | started sessions |
    /// | `sessions_active` | open sessions |
    /// | `sessions_total{end}` | sessions that ended `clean`, `aborted` by a peer, `failed`, `not_opened`, `cut` or `closed` by this program |
    /// | `errors_total{reason}` | sessions that failed or were not opened |
    /// | `bytes_total{direction}` | bytes delivered, `to_upstream` and `to_downstream`, including open sessions |
    /// | `session_duration_seconds` | histogram of session durations, from accept to end |
    /// | `connect_duration_seconds` | histogram of connect times |
    pub fn watch(&mut self, watch: &SessionMetrics) {
        let watch = watch.clone();
        let rows = move || vec![(Vec::new(), watch.clone())];
        self.registry.register_collector(Box::new(Scrape(move |encoder: DescriptorEncoder<'_>| {
            sessions::encode(&rows(), encoder)
        })));
    }

    /// Adds the metrics of [`watch`](Self::watch) for each proxy, with its name as the label `proxy`, and the metrics of its faults:
    ///
    /// | name | content |
    /// |---|---|
    /// | `proxy_enabled{proxy}` | 1 while the proxy listens |
    /// | `held_bytes{proxy}` | bytes that faults hold |
    /// | `fault_on{proxy,fault,type}` | 1 while the fault is on |
    /// | `fault_sessions_total{proxy,fault,type}` | sessions that the fault was selected for |
    /// | `faults_applied_total{proxy,fault,type}` | [actions of the fault](fault_proxy_engine::FaultStats::applied) |
    /// | `injected_delay_seconds{proxy,fault,type}` | histogram of hold times |
    /// | `requests_total{proxy,kind}` | requests that clients have started, in sessions whose requests are read |
    /// | `requests_forwarded_total{proxy,kind}` | requests that were written to the upstream completely |
    /// | `requests_answered_total{proxy,kind}` | requests that the upstream has answered completely |
    /// | `requests_delivered_total{proxy,kind}` | requests whose response was written to the client completely |
    /// | `requests_unconfirmed_total{proxy,kind}` | requests that the upstream has executed, and whose response did not reach the client |
    /// | `requests_injected_total{proxy,kind}` | requests that the proxy has responded to instead of the upstream |
    /// | `sessions_opaque_total{proxy}` | sessions whose requests could not be read to their end |
    ///
    /// Also adds two metrics without the prefix: `toxiproxy_proxy_received_bytes_total` and `toxiproxy_proxy_sent_bytes_total`, with the labels
    /// `direction` (`upstream`, `downstream`), `listener`, `proxy` and `upstream`.
    pub fn proxies(&mut self, proxies: &Proxies) {
        let all = proxies.clone();
        let rows = move || -> Vec<_> {
            all.all().into_iter().map(|proxy| (vec![("proxy", proxy.name)], proxy.watch)).collect()
        };
        self.registry.register_collector(Box::new(Scrape(move |encoder: DescriptorEncoder<'_>| {
            sessions::encode(&rows(), encoder)
        })));
        let all = proxies.clone();
        self.registry.register_collector(Box::new(Scrape(move |encoder: DescriptorEncoder<'_>| {
            faults::encode(&all, encoder)
        })));
        let all = proxies.clone();
        self.registry.register_collector(Box::new(Scrape(move |encoder: DescriptorEncoder<'_>| {
            requests::encode(&all, encoder)
        })));
        let all = proxies.clone();
        self.foreign.register_collector(Box::new(Scrape(move |encoder: DescriptorEncoder<'_>| {
            faults::encode_compatible(&all, encoder)
        })));
    }

    /// Adds the session limit of `relay` and its use, which are read at each scrape:
    ///
    /// | name | content |
    /// |---|---|
    /// | `sessions_limit` | the limit |
    /// | `connections_waiting` | accepted connections that wait for a session to end |
    /// | `session_limit_waits_total` | connections that had to wait |
    pub fn session_limit(&mut self, relay: &Relay) {
        let (limit, waiting, waits) = (relay.clone(), relay.clone(), relay.clone());
        #[allow(clippy::cast_precision_loss, reason = "the count is far below 2^52")]
        self.gauge("sessions_limit", "Maximum number of open sessions", move || {
            limit.limit_stats().max_sessions as f64
        });
        let help = "Accepted connections that wait for a session to end";
        #[allow(clippy::cast_precision_loss, reason = "the count is far below 2^52")]
        self.gauge("connections_waiting", help, move || waiting.limit_stats().waiting as f64);
        let help = "Connections that had to wait because the session limit was reached";
        self.counter("session_limit_waits", help, move || waits.limit_stats().waits);
    }

    /// Adds a gauge, which is read at each scrape. A state is 1 or 0, as in `nats_up`. `help` must not end with a full stop, because one
    /// is added.
    pub fn gauge(&mut self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.registry.register(name, help, Gauge(read));
    }

    /// Adds a counter, which is read at each scrape. Appends `_total` to `name`.
    pub fn counter(&mut self, name: &str, help: &str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.registry.register(name, help, Counter(read));
    }

    /// Returns the metrics in the [OpenMetrics text format](https://prometheus.io/docs/specs/om/open_metrics_spec/), version 1.0.
    pub(crate) fn to_openmetrics(&self) -> String {
        let mut text = String::new();
        let written = [&self.registry, &self.foreign]
            .into_iter()
            .try_for_each(|registry| encode_registry(&mut text, registry));
        written.and_then(|()| encode_eof(&mut text)).expect("a string takes all");
        text
    }

    /// Returns the metrics in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/), version 0.0.4.
    pub(crate) fn to_text(&self) -> String {
        in_text_format(&self.to_openmetrics())
    }
}

/// Converts OpenMetrics to the older format. Descriptions of counters use the names of their samples, and types that the older
/// format lacks become the most similar ones.
fn in_text_format(openmetrics: &str) -> String {
    let kind_of = |name: &str| {
        let types = openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types.filter(|(described, _)| *described == name).map(|(_, kind)| kind).next().unwrap_or_default()
    };
    let mut text = String::new();
    for line in openmetrics.lines() {
        let described = line.strip_prefix("# ").and_then(|line| line.split_once(' '));
        let line = match described.map(|(word, rest)| (word, rest.split_once(' ').unwrap_or((rest, "")))) {
            None if line == "# EOF" => continue,
            Some(("UNIT", _)) => continue,
            Some((word @ ("HELP" | "TYPE"), (name, rest))) => {
                let (suffix, kind) = match kind_of(name) {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                format!("# {word} {name}{suffix} {}", if word == "TYPE" { kind } else { rest })
            }
            _ => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Collector that writes at each scrape.
struct Scrape<F>(F);

impl<F> Collector for Scrape<F>
where
    F: Fn(DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(encoder)
    }
}

impl<F> fmt::Debug for Scrape<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

struct Gauge<F>(F);

struct Counter<F>(F);

impl<F: Fn() -> f64> EncodeMetric for Gauge<F> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        ConstGauge::new((self.0)()).encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl<F: Fn() -> u64> EncodeMetric for Counter<F> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        ConstCounter::new((self.0)()).encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl<F: Fn() -> f64> fmt::Debug for Gauge<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge").field(&(self.0)()).finish()
    }
}

impl<F: Fn() -> u64> fmt::Debug for Counter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&(self.0)()).finish()
    }
}
