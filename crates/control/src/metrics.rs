//! What a scrape shows.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::sessions::SessionMetrics;

/// The metrics of one program.
///
/// Each name begins with the program's, as Prometheus's [naming practices] ask: `nats-proxy-server` has
/// `nats_proxy_server_sessions_total`. Names given to the methods here leave that prefix out. Units are base units
/// (seconds, bytes) and the last word of the name.
///
/// `PROGRAM_build_info{version="…"}` is there from the start.
///
/// [naming practices]: https://prometheus.io/docs/practices/naming/
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Of `program`, whose name becomes the prefix with `_` for each `-`, in this version.
    pub fn new(program: &str, version: &str) -> Self {
        let mut registry = Registry::with_prefix(program.replace('-', "_"));
        registry.register("build", "The running program", Info::new([("version", version.to_owned())]));
        Self { registry }
    }

    /// Adds the metrics of sessions, which [`SessionMetrics::record`] fills. `active` says how many there are now.
    pub fn sessions(&mut self, active: impl Fn() -> usize + Send + Sync + 'static) -> SessionMetrics {
        self.gauge("sessions_active", "Sessions there are now", move || active() as f64);
        SessionMetrics::register(&mut self.registry)
    }

    /// Adds a value that goes up and down, read at each scrape; a state is 1 or 0, as in `nats_up`.
    /// `help` has no full stop: it gets one.
    pub fn gauge(&mut self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.registry.register(name, help, Gauge(read));
    }

    /// Adds a count since the program started, read at each scrape. `_total` is put behind `name`.
    pub fn counter(&mut self, name: &str, help: &str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.registry.register(name, help, Counter(read));
    }

    /// In the [OpenMetrics text format](https://prometheus.io/docs/specs/om/open_metrics_spec/), version 1.0.
    pub(crate) fn to_openmetrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all");
        text
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
