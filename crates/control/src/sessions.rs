//! What is counted of sessions.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use proxy_relay::{End, SessionSummary};

/// From a request of a millisecond to a database's connection of hours, in seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0];

/// From a neighbour's answer to the default time-out, in seconds.
const CONNECT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];

const ENDS: [&str; 5] = ["clean", "aborted", "failed", "not_opened", "cut"];
const TO_UPSTREAM: Label = [("direction", "to_upstream")];
const TO_DOWNSTREAM: Label = [("direction", "to_downstream")];

type Label = [(&'static str, &'static str); 1];

/// The metrics of ended sessions. Clones fill the same ones.
///
/// | name | what it counts |
/// |---|---|
/// | `sessions_total{end}` | sessions that ended `clean`, `aborted` by a peer, `failed`, `not_opened`, or `cut` by us alone |
/// | `bytes_total{direction}` | bytes delivered, `to_upstream` and `to_downstream` |
/// | `session_duration_seconds` | a histogram of their durations, from accept to end |
///
/// Of several ends that a session has, `not_opened` comes first, then `failed`, then `aborted`.
#[derive(Debug, Clone)]
pub struct SessionMetrics {
    sessions: Family<Label, Counter>,
    bytes: Family<Label, Counter>,
    duration: Histogram,
    connect: Histogram,
}

impl SessionMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // A label seen for the first time looks like no increase at all, so each is there from the start, at 0.
        for end in ENDS {
            drop(metrics.sessions.get_or_create(&[("end", end)]));
        }
        for direction in [TO_UPSTREAM, TO_DOWNSTREAM] {
            drop(metrics.bytes.get_or_create(&direction));
        }
        registry.register("sessions", "Sessions that have ended", metrics.sessions.clone());
        registry.register("bytes", "Bytes delivered by sessions that have ended", metrics.bytes.clone());
        let (help, duration) = ("Time from accept to end of sessions", metrics.duration.clone());
        registry.register_with_unit("session_duration", help, Unit::Seconds, duration);
        metrics
    }

    pub(crate) fn connected(&self, time: Duration) {
        self.connect.observe(time.as_secs_f64());
    }

    /// Counts a session that has ended; for [`Relay::on_session_end`](proxy_relay::Relay::on_session_end).
    pub fn record(&self, summary: &SessionSummary) {
        self.sessions.get_or_create(&[("end", end_of(&summary.downstream_end, &summary.upstream_end))]).inc();
        self.bytes.get_or_create(&TO_UPSTREAM).inc_by(summary.bytes_to_upstream);
        self.bytes.get_or_create(&TO_DOWNSTREAM).inc_by(summary.bytes_to_downstream);
        self.duration.observe(summary.duration.as_secs_f64());
    }
}

impl Default for SessionMetrics {
    fn default() -> Self {
        Self {
            sessions: Family::default(),
            bytes: Family::default(),
            duration: Histogram::new(DURATION_BUCKETS),
            connect: Histogram::new(CONNECT_BUCKETS),
        }
    }
}

fn end_of(downstream: &End, upstream: &End) -> &'static str {
    let ends = [downstream, upstream];
    let any = |is: fn(&End) -> bool| ends.into_iter().any(is);
    if any(|end| matches!(end, End::NotOpened(_))) {
        "not_opened"
    } else if any(|end| matches!(end, End::Failed(_))) {
        "failed"
    } else if any(|end| matches!(end, End::Aborted)) {
        "aborted"
    } else if ends == [&End::Finished, &End::Finished] {
        "clean"
    } else {
        "cut"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_explains_the_other_is_counted() {
        let not_opened = || End::NotOpened("refused".to_owned());
        let failed = || End::Failed("no answer".to_owned());
        for (one, other, expected) in [
            (End::Finished, End::Finished, "clean"),
            (End::Cut, End::Cut, "cut"),
            (End::Finished, End::Cut, "cut"),
            (End::Cut, End::Aborted, "aborted"),
            (End::Finished, End::Aborted, "aborted"),
            (failed(), End::Aborted, "failed"),
            (failed(), End::Cut, "failed"),
            (not_opened(), End::Cut, "not_opened"),
            (not_opened(), failed(), "not_opened"),
        ] {
            assert_eq!(end_of(&one, &other), expected, "{one}, {other}");
            assert_eq!(end_of(&other, &one), expected, "{other}, {one}");
            assert!(ENDS.contains(&expected));
        }
    }
}
