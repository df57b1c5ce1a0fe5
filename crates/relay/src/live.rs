//! Sessions while they last.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::stream::Peer;

/// The sessions of a relay that are open, and what those that have ended moved. Clones are handles to the same.
///
/// Opening and ending a session takes its lock for a moment; moving bytes never does.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Mutex<Sessions>>);

#[derive(Debug, Default)]
struct Sessions {
    open: Slab<Arc<LiveSession>>,
    total: u64,
    ended: Moved,
}

/// Bytes delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// To upstreams.
    pub to_upstream: u64,
    /// To downstreams.
    pub to_downstream: u64,
}

/// All sessions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sessions that have begun.
    pub sessions: u64,
    /// Those that have not ended.
    pub active: usize,
    /// What they have moved; never less than before.
    pub moved: Moved,
}

/// A session that is open.
pub struct LiveSession {
    /// Counts the sessions of a [`Relay`](crate::Relay), from 1.
    pub id: u64,
    /// Who dialled us.
    pub downstream: Peer,
    started: Instant,
    upstream: OnceLock<Peer>,
    // written by the session alone
    to_upstream: AtomicU64,
    to_downstream: AtomicU64,
}

impl Live {
    /// No sessions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of all sessions until now.
    pub fn totals(&self) -> Totals {
        let sessions = self.sessions();
        let moved = sessions.open.iter().fold(sessions.ended, |sum, (_, session)| sum + session.moved());
        Totals { sessions: sessions.total, active: sessions.open.len(), moved }
    }

    /// Those that are open, at most `limit` of them.
    pub fn open(&self, limit: usize) -> Vec<Arc<LiveSession>> {
        self.sessions().open.iter().take(limit).map(|(_, session)| Arc::clone(session)).collect()
    }

    pub(crate) fn begin(&self, id: u64, downstream: Peer) -> Listed {
        let session = Arc::new(LiveSession {
            id,
            downstream,
            started: Instant::now(),
            upstream: OnceLock::new(),
            to_upstream: AtomicU64::new(0),
            to_downstream: AtomicU64::new(0),
        });
        let mut sessions = self.sessions();
        sessions.total += 1;
        let key = sessions.open.insert(Arc::clone(&session));
        drop(sessions);
        Listed { live: self.clone(), key, session }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveSession {
    /// Whom we dialled; `None` until somebody has answered.
    pub fn upstream(&self) -> Option<&Peer> {
        self.upstream.get()
    }

    /// Since it was accepted.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it has delivered.
    pub fn moved(&self) -> Moved {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Moved { to_upstream: load(&self.to_upstream), to_downstream: load(&self.to_downstream) }
    }

    pub(crate) fn set_upstream(&self, upstream: Peer) {
        let _ = self.upstream.set(upstream);
    }

    /// What it has delivered by now.
    pub(crate) fn set_moved(&self, moved: Moved) {
        self.to_upstream.store(moved.to_upstream, Ordering::Relaxed);
        self.to_downstream.store(moved.to_downstream, Ordering::Relaxed);
    }
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession")
            .field("id", &self.id)
            .field("downstream", &self.downstream)
            .field("upstream", &self.upstream())
            .field("moved", &self.moved())
            .finish_non_exhaustive()
    }
}

impl std::ops::Add for Moved {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            to_upstream: self.to_upstream + other.to_upstream,
            to_downstream: self.to_downstream + other.to_downstream,
        }
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sessions: self.sessions + other.sessions,
            active: self.active + other.active,
            moved: self.moved + other.moved,
        }
    }
}

impl std::iter::Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |sum, each| sum + each)
    }
}

/// A place among those that are open; left when it drops.
#[derive(Debug)]
pub(crate) struct Listed {
    live: Live,
    key: usize,
    pub(crate) session: Arc<LiveSession>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut sessions = self.live.sessions();
        let session = sessions.open.remove(self.key);
        sessions.ended = sessions.ended + session.moved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_sessions_moved_still_counts() {
        let live = Live::new();
        let peer = || Peer::Name("a".into());
        let (one, other) = (live.begin(1, peer()), live.begin(2, peer()));
        one.session.set_moved(Moved { to_upstream: 1, to_downstream: 10 });
        other.session.set_moved(Moved { to_upstream: 2, to_downstream: 20 });
        let moved = Moved { to_upstream: 3, to_downstream: 30 };
        assert_eq!(live.totals(), Totals { sessions: 2, active: 2, moved });
        drop(one);
        assert_eq!(live.totals(), Totals { sessions: 2, active: 1, moved });
        assert_eq!(live.open(9).iter().map(|session| session.id).collect::<Vec<_>>(), [2]);
        assert!(live.open(0).is_empty());
    }
}
