//! State that both directions of a session share.

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
    /// Number of received bytes, by [`Direction`].
    received: [AtomicU64; 2],
    end: AtomicU8,
    /// True if the connection that sends in a [`Direction`] was reset.
    sender_is_gone: [AtomicBool; 2],
}

/// How a fault ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    Closed,
    /// Reset after data that was delivered in this direction. The transport still sends that data.
    Reset(Side, Direction),
    /// Reset that drops unsent data.
    ResetNow(Side),
}

/// The ends in the order of their codes, from 1. The code of a session that has not ended is 0.
const ENDS: [SessionEnd; 10] = [
    SessionEnd::Closed,
    SessionEnd::Reset(Side::Client, Direction::ToUpstream),
    SessionEnd::Reset(Side::Server, Direction::ToUpstream),
    SessionEnd::Reset(Side::Both, Direction::ToUpstream),
    SessionEnd::Reset(Side::Client, Direction::ToDownstream),
    SessionEnd::Reset(Side::Server, Direction::ToDownstream),
    SessionEnd::Reset(Side::Both, Direction::ToDownstream),
    SessionEnd::ResetNow(Side::Client),
    SessionEnd::ResetNow(Side::Server),
    SessionEnd::ResetNow(Side::Both),
];

impl SessionShared {
    pub(crate) fn new(faults: Arc<proxy::Shared>, timers: Timers, identity: SessionContext) -> Self {
        Self {
            faults,
            timers,
            context: Arc::new(identity),
            received: Default::default(),
            end: AtomicU8::new(0),
            sender_is_gone: Default::default(),
        }
    }

    /// Counts received bytes in `direction`. Returns the number of bytes received in the other direction.
    pub(crate) fn count(&self, direction: Direction, bytes: usize) -> u64 {
        self.received[direction as usize].fetch_add(bytes as u64, Ordering::Relaxed);
        self.received[direction.opposite() as usize].load(Ordering::Relaxed)
    }

    /// Records that the connection that sends in `direction` was reset. It does not receive data any more
    /// either.
    pub(crate) fn sender_is_gone(&self, direction: Direction) {
        self.sender_is_gone[direction as usize].store(true, Ordering::Relaxed);
    }

    /// Returns true if bytes in `direction` cannot be delivered.
    pub(crate) fn has_no_receiver(&self, direction: Direction) -> bool {
        self.sender_is_gone[direction.opposite() as usize].load(Ordering::Relaxed)
    }

    /// Returns true if both connections were reset.
    pub(crate) fn has_no_peer(&self) -> bool {
        [Direction::ToUpstream, Direction::ToDownstream]
            .into_iter()
            .all(|direction| self.has_no_receiver(direction))
    }

    /// Records the end of the session. Later ends are ignored.
    pub(crate) fn end(&self, end: SessionEnd) {
        let code = (1..).zip(ENDS).find(|(_, other)| *other == end).map_or(0, |(code, _)| code);
        let _ = self.end.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> Option<SessionEnd> {
        let code = usize::from(self.end.load(Ordering::Relaxed));
        ENDS.get(code.checked_sub(1)?).copied()
    }
}
