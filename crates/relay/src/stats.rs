//! Counters of open and ended sessions.

mod ends;

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;

pub use self::ends::Ends;
use crate::stream::Peer;
use crate::summary::SessionSummary;

/// The open sessions of a relay, and totals of those that have ended. Clones share one state.
///
/// Opening and ending a session takes a lock for a moment. Moving bytes does not take it.
#[derive(Debug, Clone, Default)]
pub struct SessionTracker(Arc<Mutex<Sessions>>);

#[derive(Debug, Default)]
struct Sessions {
    open: Slab<Arc<OpenSession>>,
    /// Totals of ended sessions, without those of the parts.
    ended: RelayStats,
    parts: Vec<SessionTracker>,
}

/// Delivered bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteCounts {
    /// To upstreams.
    pub to_upstream: u64,
    /// To downstreams.
    pub to_downstream: u64,
}

/// Totals of all sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStats {
    /// Sessions that have begun.
    pub sessions: u64,
    /// Sessions that have not ended.
    pub active: usize,
    /// Delivered bytes. They never decrease.
    pub bytes: ByteCounts,
    /// How sessions have ended.
    pub ends: Ends,
}

/// An open session.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenSession {
    /// Number of the session within its [`Relay`](crate::Relay), from 1.
    pub id: u64,
    /// Address of the client.
    pub downstream: Peer,
    started: Instant,
    upstream: OnceLock<Peer>,
    // Only the session writes these.
    to_upstream: AtomicU64,
    to_downstream: AtomicU64,
}

impl SessionTracker {
    /// Returns a tracker without sessions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a tracker for some of the sessions. [`stats`](Self::stats) of `self` includes them.
    #[must_use]
    pub fn part(&self) -> Self {
        let part = Self::new();
        self.0.lock().parts.push(part.clone());
        part
    }

    /// Returns the totals of all sessions so far.
    pub fn stats(&self) -> RelayStats {
        let sessions = self.0.lock();
        let mut totals = sessions.ended;
        totals.active += sessions.open.len();
        sessions.open.iter().for_each(|(_, session)| totals.bytes += session.bytes());
        sessions.parts.iter().for_each(|part| totals += part.stats());
        totals
    }

    /// Returns up to `limit` open sessions.
    pub fn open(&self, limit: usize) -> Vec<Arc<OpenSession>> {
        self.0.lock().open.iter().take(limit).map(|(_, session)| Arc::clone(session)).collect()
    }

    pub(crate) fn begin(&self, id: u64, downstream: Peer) -> SessionGuard {
        let session = Arc::new(OpenSession {
            id,
            downstream,
            started: Instant::now(),
            upstream: OnceLock::new(),
            to_upstream: AtomicU64::new(0),
            to_downstream: AtomicU64::new(0),
        });
        let mut sessions = self.0.lock();
        sessions.ended.sessions += 1;
        let key = sessions.open.insert(Arc::clone(&session));
        drop(sessions);
        SessionGuard { live: Some(self.clone()), key, session }
    }
}

impl OpenSession {
    /// Returns the address of the upstream, or `None` before it is connected.
    pub fn upstream(&self) -> Option<&Peer> {
        self.upstream.get()
    }

    /// Returns the time since the client was accepted.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the delivered bytes.
    pub fn bytes(&self) -> ByteCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ByteCounts { to_upstream: load(&self.to_upstream), to_downstream: load(&self.to_downstream) }
    }

    pub(crate) fn set_upstream(&self, upstream: Peer) {
        let _ = self.upstream.set(upstream);
    }

    /// Sets the number of bytes delivered so far.
    pub(crate) fn set_bytes(&self, moved: ByteCounts) {
        self.to_upstream.store(moved.to_upstream, Ordering::Relaxed);
        self.to_downstream.store(moved.to_downstream, Ordering::Relaxed);
    }
}

impl AddAssign for ByteCounts {
    fn add_assign(&mut self, other: Self) {
        self.to_upstream += other.to_upstream;
        self.to_downstream += other.to_downstream;
    }
}

impl AddAssign for RelayStats {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.active += other.active;
        self.bytes += other.bytes;
        self.ends += other.ends;
    }
}

/// Registration of an open session. Dropping it unregisters the session.
#[derive(Debug)]
pub(crate) struct SessionGuard {
    /// `None` once the session is unregistered.
    live: Option<SessionTracker>,
    key: usize,
    pub(crate) session: Arc<OpenSession>,
}

impl SessionGuard {
    /// Unregisters the session and counts how it ended.
    pub(crate) fn ended(mut self, summary: &SessionSummary) {
        self.unregister(Some(summary));
    }

    fn unregister(&mut self, summary: Option<&SessionSummary>) {
        let Some(live) = self.live.take() else { return };
        let mut sessions = live.0.lock();
        let session = sessions.open.remove(self.key);
        sessions.ended.bytes += session.bytes();
        if let Some(summary) = summary {
            sessions.ended.ends.add(summary);
        }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.unregister(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_sessions_moved_still_counts() {
        let all = SessionTracker::new();
        let live = all.part();
        let peer = || Peer::Name("a".into());
        let (one, other) = (live.begin(1, peer()), live.begin(2, peer()));
        one.session.set_bytes(ByteCounts { to_upstream: 1, to_downstream: 10 });
        other.session.set_bytes(ByteCounts { to_upstream: 2, to_downstream: 20 });
        let bytes = ByteCounts { to_upstream: 3, to_downstream: 30 };
        assert_eq!(live.stats(), RelayStats { sessions: 2, active: 2, bytes, ..RelayStats::default() });
        drop(one);
        assert_eq!(live.stats(), RelayStats { sessions: 2, active: 1, bytes, ..RelayStats::default() });
        assert_eq!(live.open(9).iter().map(|session| session.id).collect::<Vec<_>>(), [2]);
        assert!(live.open(0).is_empty());
        all.begin(3, peer());
        assert_eq!(
            all.stats(),
            RelayStats { sessions: 3, ..live.stats() },
            "those of the part count in the whole"
        );
    }
}
