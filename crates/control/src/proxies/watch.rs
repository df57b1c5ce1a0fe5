//! What is counted of a proxy's sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proxy_relay::{Live, Relay, SessionSummary};

use crate::sessions::SessionMetrics;

/// What a proxy's sessions do. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    live: Live,
    aborted: AtomicU64,
    errors: AtomicU64,
    metrics: SessionMetrics,
}

/// How sessions ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Without an error, but not with a half-close from both sides.
    pub aborted: u64,
    /// With an error.
    pub errors: u64,
}

impl Watch {
    /// A handle on `relay` whose sessions are watched.
    #[must_use]
    pub fn on(&self, relay: &Relay) -> Relay {
        let (connected, ended) = (self.clone(), self.clone());
        relay
            .clone()
            .showing(self.live().clone())
            .on_connect(move |time| connected.connected(time))
            .on_session_end(move |summary| ended.ended(summary))
    }

    /// Its sessions.
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// Of those that have ended.
    pub fn counts(&self) -> Counts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { aborted: load(&self.0.aborted), errors: load(&self.0.errors) }
    }

    pub(crate) fn metrics(&self) -> &SessionMetrics {
        &self.0.metrics
    }

    fn connected(&self, time: Duration) {
        self.0.metrics.connected(time);
    }

    fn ended(&self, summary: &SessionSummary) {
        self.0.metrics.record(summary);
        if summary.is_error() {
            self.0.errors.fetch_add(1, Ordering::Relaxed);
        } else if !summary.is_clean() {
            self.0.aborted.fetch_add(1, Ordering::Relaxed);
        }
    }
}
