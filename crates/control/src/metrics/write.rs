//! Series whose labels are only known at the scrape.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A histogram that was counted elsewhere.
#[derive(Debug)]
pub(super) struct Counted {
    /// Sum in seconds.
    pub(super) sum: f64,
    pub(super) count: u64,
    /// Upper bounds, with the count between each bound and the previous one.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl EncodeMetric for Counted {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Writes all series of one name. A series without labels must be the only one.
pub(super) fn series<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    kind: MetricType,
    series: impl IntoIterator<Item = (Labels, M)>,
) -> fmt::Result {
    // The registry ends the help of each metric with a full stop.
    let help = format!("{help}.");
    let mut family = encoder.encode_descriptor(name, &help, unit, kind)?;
    for (labels, metric) in series {
        if labels.is_empty() {
            return metric.encode(family);
        }
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

pub(super) fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, u64)>,
) -> fmt::Result {
    let values = values.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
    series(encoder, (name, help, None), MetricType::Counter, values)
}

pub(super) fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, f64)>,
) -> fmt::Result {
    let values = values.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
    series(encoder, (name, help, None), MetricType::Gauge, values)
}

/// Returns `labels` with one more label.
pub(super) fn with(labels: &Labels, name: &'static str, value: impl Into<String>) -> Labels {
    labels.iter().cloned().chain([(name, value.into())]).collect()
}
