//! What is counted of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fault_proxy_relay::{Relay, SessionSummary, SessionTracker};
use prometheus_client::metrics::histogram::Histogram;

/// From a request of a millisecond to a database's connection of hours, in seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0];

/// From a neighbour's answer to the default time-out, in seconds.
const CONNECT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];

/// What the sessions of a relay, or of some of its listeners, do. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct SessionMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: SessionTracker,
    duration: Histogram,
    connect: Histogram,
    /// The most bytes that were ever said to have been received: to the upstream, to the downstream.
    received: [AtomicU64; 2],
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            live: SessionTracker::new(),
            duration: Histogram::new(DURATION_BUCKETS),
            connect: Histogram::new(CONNECT_BUCKETS),
            received: Default::default(),
        }
    }
}

impl SessionMetrics {
    /// A handle on `relay` whose sessions are watched.
    #[must_use]
    pub fn on(&self, relay: &Relay) -> Relay {
        let (connected, ended) = (self.clone(), self.clone());
        relay
            .clone()
            .with_tracker(self.live().clone())
            .on_connect(move |time| connected.0.connect.observe(time.as_secs_f64()))
            .on_session_end(move |summary| ended.ended(summary))
    }

    /// Its sessions.
    pub fn live(&self) -> &SessionTracker {
        &self.0.live
    }

    /// Counts the duration of a session that has ended, for a relay with its own observer.
    pub fn ended(&self, summary: &SessionSummary) {
        self.0.duration.observe(summary.duration.as_secs_f64());
    }

    pub(crate) fn duration(&self) -> &Histogram {
        &self.0.duration
    }

    pub(crate) fn connect(&self) -> &Histogram {
        &self.0.connect
    }

    /// Never less than before: what was received is put together from counts that are read one after another.
    pub(crate) fn received(&self, to_upstream: u64, to_downstream: u64) -> [u64; 2] {
        let [up, down] = &self.0.received;
        let most = |count: &AtomicU64, now: u64| count.fetch_max(now, Ordering::Relaxed).max(now);
        [most(up, to_upstream), most(down, to_downstream)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_never_shrinks() {
        let watch = SessionMetrics::default();
        assert_eq!(watch.received(5, 1), [5, 1]);
        assert_eq!(watch.received(4, 2), [5, 2]);
    }
}
