//! Counters of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fault_proxy_relay::{CloseReason, Relay, SessionSummary, SessionTracker};
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

/// Bucket bounds in seconds, from a request of 1 ms to a database connection of several hours.
const DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0];

/// Bucket bounds in seconds, from a response in the local network to the default timeout.
const CONNECT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Counters of the sessions of a relay, or of some of its listeners. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SessionMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: SessionTracker,
    duration: Histogram,
    connect: Histogram,
    last_failure: Mutex<Option<Failure>>,
    /// Highest reported numbers of received bytes, to the upstream and to the downstream.
    received: [AtomicU64; 2],
}

/// Failure of a session.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: Instant,
    /// Reason in one word: [`SessionSummary::not_opened`], or `failed`.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Failure {
    /// Returns `None` if the session did not fail.
    fn of(summary: &SessionSummary) -> Option<Self> {
        let message = |end: &CloseReason| match end {
            CloseReason::NotOpened(message) | CloseReason::Failed(message) => Some(message.clone()),
            _ => None,
        };
        let message = message(&summary.upstream_end).or_else(|| message(&summary.downstream_end))?;
        Some(Self { at: Instant::now(), reason: summary.not_opened.unwrap_or("failed"), message })
    }
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            live: SessionTracker::new(),
            duration: Histogram::new(DURATION_BUCKETS),
            connect: Histogram::new(CONNECT_BUCKETS),
            last_failure: Mutex::default(),
            received: Default::default(),
        }
    }
}

impl SessionMetrics {
    /// Returns a handle to `relay` whose sessions are counted.
    #[must_use]
    pub fn on(&self, relay: &Relay) -> Relay {
        let (connected, ended) = (self.clone(), self.clone());
        relay
            .clone()
            .with_tracker(self.live().clone())
            .on_connect(move |time| connected.0.connect.observe(time.as_secs_f64()))
            .on_session_end(move |summary| ended.ended(summary))
    }

    /// Returns the tracker of the sessions.
    pub fn live(&self) -> &SessionTracker {
        &self.0.live
    }

    /// Counts the duration of an ended session and keeps its error, for a relay with another observer.
    pub fn ended(&self, summary: &SessionSummary) {
        self.0.duration.observe(summary.duration.as_secs_f64());
        if let Some(failure) = Failure::of(summary) {
            *self.0.last_failure.lock() = Some(failure);
        }
    }

    /// Returns the last failure of a session.
    pub(crate) fn last_failure(&self) -> Option<Failure> {
        self.0.last_failure.lock().clone()
    }

    /// Returns true if both share the same counters.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn duration(&self) -> &Histogram {
        &self.0.duration
    }

    pub(crate) fn connect(&self) -> &Histogram {
        &self.0.connect
    }

    /// Returns the numbers of received bytes. They never decrease, although the counters are not read at the
    /// same time.
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
