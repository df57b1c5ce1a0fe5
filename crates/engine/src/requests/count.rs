//! Counters of requests, by their kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use fault_proxy_protocol::OpaqueReason;
use parking_lot::Mutex;

use crate::stats::{DurationCounters, DurationHistogram, Quantiles};

/// Maximum number of kinds that a proxy counts separately. Clients choose the names of methods and commands.
const MAX_KINDS: usize = RequestStats::MAX_KINDS;
/// Kind that requests of all further kinds count as.
pub(super) const OTHER: &str = "other";

/// Requests of a kind that a proxy has read, in all sessions whose protocol it reads.
///
/// A PostgreSQL request with several statements counts for the kind of each.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RequestStats {
    /// The kind: a kind of statement of PostgreSQL such as `commit`, a command of Redis such as `SET`, or a method of HTTP.
    pub kind: Arc<str>,
    /// Number of requests that clients have begun.
    pub requests: u64,
    /// Number of requests that were written to the upstream completely.
    pub forwarded: u64,
    /// Number of requests to which the upstream sent a complete response.
    pub answered: u64,
    /// Number of requests whose complete response was written to the client.
    pub delivered: u64,
    /// Number of requests that the upstream has executed without an error, and whose response did not reach the client.
    pub unconfirmed: u64,
    /// Number of requests that the proxy has responded to instead of the upstream.
    pub injected: u64,
    /// Times from the first byte of a request to the end of its response, as written to the client.
    pub duration: Option<Quantiles>,
}

impl RequestStats {
    /// Maximum number of kinds that a proxy counts separately. Requests of further kinds count as `other`.
    pub const MAX_KINDS: usize = 48;
}

/// Counters of the requests of a proxy.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    kinds: Mutex<Vec<Arc<KindCounters>>>,
    opaque: AtomicU64,
    unread: AtomicU64,
    /// Bit set of reasons that were reported.
    reported: AtomicU32,
}

/// Counters of the requests of one kind.
#[derive(Debug)]
pub(crate) struct KindCounters {
    pub(super) kind: Arc<str>,
    requests: AtomicU64,
    forwarded: AtomicU64,
    answered: AtomicU64,
    delivered: AtomicU64,
    pub(super) unconfirmed: AtomicU64,
    pub(super) injected: AtomicU64,
    duration: DurationCounters,
}

/// Counts that a session adds to those of a kind after each read and each write, since a pipeline has many requests in one.
#[derive(Debug, Default)]
pub(super) struct NewCounts {
    pub(super) requests: u64,
    pub(super) forwarded: u64,
    pub(super) answered: u64,
    delivered: u64,
    /// How many nanoseconds each of the delivered ones took: the responses of a pipeline are often written together.
    duration: u64,
}

impl RequestCounters {
    /// Returns the counters of this kind, and creates them if there are not too many.
    pub(super) fn of(&self, kind: &str) -> Arc<KindCounters> {
        let mut kinds = self.kinds.lock();
        if let Some(counters) = kinds.iter().find(|counters| *counters.kind == *kind) {
            return Arc::clone(counters);
        }
        let kind = if kinds.len() < MAX_KINDS { kind } else { OTHER };
        let other = kinds.iter().find(|counters| *counters.kind == *kind).cloned();
        other.unwrap_or_else(|| {
            let counters = Arc::new(KindCounters::new(kind));
            kinds.push(Arc::clone(&counters));
            counters
        })
    }

    /// Counts a session whose protocol cannot be read any more. Returns true for the first with this reason.
    pub(super) fn record_opaque(&self, reason: OpaqueReason) -> bool {
        self.opaque.fetch_add(1, Ordering::Relaxed);
        // No requests of the protocol follow after the others.
        if !matches!(reason, OpaqueReason::Switched | OpaqueReason::Replication | OpaqueReason::Unrequested) {
            self.unread.fetch_add(1, Ordering::Relaxed);
        }
        let bit = 1 << (reason as u32);
        self.reported.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Returns the number of sessions whose protocol could not be read to their end.
    pub(crate) fn opaque(&self) -> u64 {
        self.opaque.load(Ordering::Relaxed)
    }

    /// Returns the number of those that may have had further requests.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// Returns the durations of the requests of each kind.
    pub(crate) fn durations(&self) -> Vec<(Arc<str>, DurationHistogram)> {
        let kinds = self.kinds.lock().clone();
        kinds.iter().map(|counters| (Arc::clone(&counters.kind), counters.duration.load())).collect()
    }

    /// Returns the counts of each kind, in the order of their names.
    pub(crate) fn stats(&self) -> Vec<RequestStats> {
        let kinds = self.kinds.lock().clone();
        let mut stats: Vec<_> = kinds.iter().map(|counters| counters.stats()).collect();
        stats.sort_by(|one, other| one.kind.cmp(&other.kind));
        stats
    }
}

impl KindCounters {
    fn new(kind: &str) -> Self {
        let count = || AtomicU64::new(0);
        Self {
            kind: kind.into(),
            requests: count(),
            forwarded: count(),
            answered: count(),
            delivered: count(),
            unconfirmed: count(),
            injected: count(),
            duration: DurationCounters::new(),
        }
    }

    /// Counts a request whose response was delivered after this number of nanoseconds.
    pub(super) fn deliver(&self, new: &mut NewCounts, duration: u64) {
        if new.delivered > 0 && new.duration != duration {
            self.add(new);
        }
        new.delivered += 1;
        new.duration = duration;
    }

    /// Adds these counts, those of earlier steps first, and sets them to 0.
    pub(super) fn add(&self, new: &mut NewCounts) {
        let NewCounts { requests, forwarded, answered, delivered, duration } = std::mem::take(new);
        for (counter, count) in [
            (&self.requests, requests),
            (&self.forwarded, forwarded),
            (&self.answered, answered),
            (&self.delivered, delivered),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        if delivered > 0 {
            self.duration.record_each(Duration::from_nanos(duration), delivered);
        }
    }

    fn stats(&self) -> RequestStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RequestStats {
            kind: Arc::clone(&self.kind),
            // Counts of later steps are read first, so that the number of responses does not exceed that of requests.
            delivered: count(&self.delivered),
            unconfirmed: count(&self.unconfirmed),
            injected: count(&self.injected),
            answered: count(&self.answered),
            forwarded: count(&self.forwarded),
            requests: count(&self.requests),
            duration: self.duration.quantiles(),
        }
    }
}

pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_beyond_the_limit_count_as_one() {
        let counters = RequestCounters::default();
        for kind in 0..2 * MAX_KINDS {
            counters.of(&kind.to_string()).add(&mut NewCounts { requests: 1, ..NewCounts::default() });
        }
        let stats = counters.stats();
        assert_eq!(stats.len(), MAX_KINDS + 1);
        assert_eq!(stats.iter().map(|kind| kind.requests).sum::<u64>(), 2 * MAX_KINDS as u64);
        let other = stats.iter().find(|kind| &*kind.kind == OTHER).expect("the kind of the rest");
        assert_eq!(other.requests, MAX_KINDS as u64);
    }

    #[test]
    fn each_reason_is_reported_once() {
        let counters = RequestCounters::default();
        assert!(counters.record_opaque(OpaqueReason::Encrypted));
        assert!(counters.record_opaque(OpaqueReason::TooMany));
        assert!(!counters.record_opaque(OpaqueReason::Encrypted));
        assert!(counters.record_opaque(OpaqueReason::Switched));
        assert_eq!((counters.opaque(), counters.unread()), (4, 3));
    }
}
