//! Metrics that a condition can compare.

use std::time::Duration;

use fault_proxy_engine::{FaultStats, Measured, Millis, Quantiles, Rate, Ratio, RequestStats, ValueError};
use fault_proxy_relay::RelayStats;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// Hold time of data, or duration of requests.
    Delay(Point),
    /// Time from when data was due until its release.
    Error(Point),
    Rate,
    Loss,
    Sessions,
    Actions,
    /// Sessions that failed or were not opened.
    Errors,
    /// Sessions that failed after they were opened.
    Failed,
    /// Number of requests of a kind.
    Requests(Count),
}

/// Count of requests, as in [`RequestStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Requests,
    Forwarded,
    Answered,
    Delivered,
    Unconfirmed,
    Injected,
}

/// Point of a distribution of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    P50,
    P90,
    P95,
    P99,
    Max,
}

pub(super) const METRICS: [(&str, Metric); 22] = [
    ("p50", Metric::Delay(Point::P50)),
    ("p90", Metric::Delay(Point::P90)),
    ("p95", Metric::Delay(Point::P95)),
    ("p99", Metric::Delay(Point::P99)),
    ("max", Metric::Delay(Point::Max)),
    ("p50_error", Metric::Error(Point::P50)),
    ("p90_error", Metric::Error(Point::P90)),
    ("p95_error", Metric::Error(Point::P95)),
    ("p99_error", Metric::Error(Point::P99)),
    ("max_error", Metric::Error(Point::Max)),
    ("rate", Metric::Rate),
    ("loss", Metric::Loss),
    ("sessions", Metric::Sessions),
    ("actions", Metric::Actions),
    ("errors", Metric::Errors),
    ("failed", Metric::Failed),
    ("requests", Metric::Requests(Count::Requests)),
    ("forwarded", Metric::Requests(Count::Forwarded)),
    ("answered", Metric::Requests(Count::Answered)),
    ("delivered", Metric::Requests(Count::Delivered)),
    ("unconfirmed", Metric::Requests(Count::Unconfirmed)),
    ("injected", Metric::Requests(Count::Injected)),
];

/// Lists the names of some metrics.
pub(super) fn names(is_listed: impl Fn(Metric) -> bool) -> String {
    let listed = METRICS.iter().filter(|(_, metric)| is_listed(*metric));
    listed.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Metric {
    /// Parses a value. Times are in seconds, rates in bytes per second. Shares and counts do not have a unit.
    pub(super) fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Delay(_) | Self::Error(_) => text
                .parse::<Millis>()
                .map(|time| time.duration().as_secs_f64())
                .map_err(|error| error.to_string()),
            Self::Rate => text
                .parse::<Rate>()
                .and_then(|rate| rate.bytes_per_second(None))
                .map_err(|error| error.to_string()),
            Self::Loss => text.parse().map(Ratio::fraction).map_err(|error: ValueError| error.to_string()),
            _ => match text.parse::<f64>() {
                Ok(count) if count.is_finite() && count >= 0.0 => Ok(count),
                Ok(count) if count < 0.0 => Err("is negative, but counts are not".to_owned()),
                _ => Err("not a number".to_owned()),
            },
        }
    }

    /// Returns true if the metric is a number of sessions, actions or requests.
    pub(super) fn is_count(self) -> bool {
        self.unit() == "count"
    }

    /// Returns true if requests have this metric.
    pub(super) fn is_of_requests(self) -> bool {
        matches!(self, Self::Requests(_) | Self::Delay(_))
    }

    /// Returns true if proxies have this metric.
    pub(super) fn is_of_sessions(self) -> bool {
        matches!(self, Self::Sessions | Self::Errors | Self::Failed)
    }

    /// Returns true if some faults have this metric.
    pub(super) fn is_of_faults(self) -> bool {
        !matches!(self, Self::Errors | Self::Failed | Self::Requests(_))
    }

    /// Returns true if a fault with these measurements can have a value other than 0.
    pub(super) fn is_of(self, measured: Measured) -> bool {
        match self {
            Self::Delay(_) | Self::Error(_) => measured == Measured::Delays,
            Self::Rate => matches!(measured, Measured::Rate(_)),
            Self::Loss => measured == Measured::Loss,
            Self::Sessions => true,
            Self::Actions => !matches!(measured, Measured::Rate(_) | Measured::Loss),
            Self::Errors | Self::Failed | Self::Requests(_) => false,
        }
    }

    /// Returns the value for a fault.
    pub(super) fn value(self, figures: &FaultStats) -> Option<f64> {
        match self {
            Self::Delay(point) => figures.delay.map(|held| point.of(&held).as_secs_f64()),
            Self::Error(point) => figures.error.map(|late| point.of(&late).as_secs_f64()),
            Self::Rate => figures.rate,
            Self::Loss => figures.loss_share,
            Self::Sessions => Some(figures.sessions as f64),
            // Latencies count their delays instead of actions. Other faults that delay data count both.
            Self::Actions => {
                let delays = figures.requested_delay.map_or(0, |delays| delays.count);
                Some(figures.actions.max(delays) as f64)
            }
            Self::Errors | Self::Failed | Self::Requests(_) => None,
        }
    }

    /// Returns the value for a kind of requests. `stats` is `None` if no requests of this kind were counted.
    pub(super) fn of_requests(self, stats: Option<&RequestStats>) -> Option<f64> {
        match self {
            Self::Requests(count) => Some(stats.map_or(0, |stats| count.of(stats)) as f64),
            Self::Delay(point) => Some(point.of(&stats?.duration?).as_secs_f64()),
            _ => None,
        }
    }

    /// Returns the value for a proxy.
    pub(super) fn count(self, totals: &RelayStats) -> Option<f64> {
        let count = match self {
            Self::Sessions => totals.sessions,
            Self::Errors => totals.ends.errors(),
            Self::Failed => totals.ends.by_end().find(|(end, _)| *end == "failed")?.1,
            _ => return None,
        };
        Some(count as f64)
    }

    /// Returns the reason for a missing value.
    pub(super) fn missing(self, figures: &FaultStats) -> &'static str {
        if self.is_unlimited_rate(figures) {
            "the bandwidth was the limit for less than 100 ms"
        } else {
            "nothing was measured"
        }
    }

    /// Returns true if bytes passed, but the bandwidth was not their limit for long enough to measure a rate.
    pub(super) fn is_unlimited_rate(self, figures: &FaultStats) -> bool {
        self == Self::Rate && figures.rate.is_none() && figures.bytes > 0
    }

    /// Returns a value in the unit of reports.
    pub(super) fn reported(self, value: f64) -> f64 {
        match self {
            Self::Delay(_) | Self::Error(_) => value * 1e3,
            _ => value,
        }
    }

    /// Returns the unit of values in reports.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Delay(_) | Self::Error(_) => "ms",
            Self::Rate => "bytes/s",
            Self::Loss => "ratio",
            Self::Sessions | Self::Actions | Self::Errors | Self::Failed | Self::Requests(_) => "count",
        }
    }

    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Delay(_) | Self::Error(_) => format!("{:.3} ms", value * 1e3),
            Self::Rate => format!("{value:.0} B/s"),
            Self::Loss => format!("{:.3} %", value * 100.0),
            _ => format!("{value:.0}"),
        }
    }
}

impl Count {
    fn of(self, stats: &RequestStats) -> u64 {
        match self {
            Self::Requests => stats.requests,
            Self::Forwarded => stats.forwarded,
            Self::Answered => stats.answered,
            Self::Delivered => stats.delivered,
            Self::Unconfirmed => stats.unconfirmed,
            Self::Injected => stats.injected,
        }
    }
}

impl Point {
    fn of(self, times: &Quantiles) -> Duration {
        match self {
            Self::P50 => times.p50,
            Self::P90 => times.p90,
            Self::P95 => times.p95,
            Self::P99 => times.p99,
            Self::Max => times.max,
        }
    }
}
