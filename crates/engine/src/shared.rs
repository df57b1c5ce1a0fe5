//! What is common to both directions of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::direction::{Direction, Side};
use crate::pipeline::SessionContext;
use crate::proxy;
use crate::timer::Timers;

/// State that the two flows of a session share.
#[derive(Debug)]
pub(crate) struct SessionShared {
    pub(crate) faults: Arc<proxy::Shared>,
    pub(crate) timers: Timers,
    pub(crate) context: Arc<SessionContext>,
    to_upstream: AtomicU64,
    to_downstream: AtomicU64,
    end: AtomicU8,
    upstream_is_gone: AtomicBool,
    client_is_gone: AtomicBool,
}

/// How a fault ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    Closed,
    Reset(Side),
}

impl SessionShared {
    pub(crate) fn new(faults: Arc<proxy::Shared>, timers: Timers, identity: SessionContext) -> Self {
        Self {
            faults,
            timers,
            context: Arc::new(identity),
            to_upstream: AtomicU64::new(0),
            to_downstream: AtomicU64::new(0),
            end: AtomicU8::new(0),
            upstream_is_gone: AtomicBool::new(false),
            client_is_gone: AtomicBool::new(false),
        }
    }

    /// Counts bytes that came in `direction`; returns what came in the other.
    pub(crate) fn count(&self, direction: Direction, bytes: usize) -> u64 {
        let (this, other) = match direction {
            Direction::ToUpstream => (&self.to_upstream, &self.to_downstream),
            Direction::ToDownstream => (&self.to_downstream, &self.to_upstream),
        };
        this.fetch_add(bytes as u64, Ordering::Relaxed);
        other.load(Ordering::Relaxed)
    }

    /// The connection that sends in `direction` was reset, so it receives nothing any more either.
    pub(crate) fn sender_is_gone(&self, direction: Direction) {
        let is_gone = match direction {
            Direction::ToUpstream => &self.client_is_gone,
            Direction::ToDownstream => &self.upstream_is_gone,
        };
        is_gone.store(true, Ordering::Relaxed);
    }

    /// Returns true if bytes in `direction` cannot be delivered.
    pub(crate) fn has_no_receiver(&self, direction: Direction) -> bool {
        let is_gone = match direction {
            Direction::ToUpstream => &self.upstream_is_gone,
            Direction::ToDownstream => &self.client_is_gone,
        };
        is_gone.load(Ordering::Relaxed)
    }

    /// The first end counts.
    pub(crate) fn end(&self, end: SessionEnd) {
        let code = match end {
            SessionEnd::Closed => 1,
            SessionEnd::Reset(Side::Client) => 2,
            SessionEnd::Reset(Side::Server) => 3,
            SessionEnd::Reset(Side::Both) => 4,
        };
        let _ = self.end.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> Option<SessionEnd> {
        Some(match self.end.load(Ordering::Relaxed) {
            0 => return None,
            1 => SessionEnd::Closed,
            2 => SessionEnd::Reset(Side::Client),
            3 => SessionEnd::Reset(Side::Server),
            _ => SessionEnd::Reset(Side::Both),
        })
    }
}
