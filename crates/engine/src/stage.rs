//! Stages: the effect of a fault on one flow while the fault is on.

pub(crate) mod chunk;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod limit;
pub(crate) mod rng;

use std::any::Any;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use crate::journal::{Decision, nanos};
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stats::FaultCounters;

/// A stage of a line. It takes pieces, and releases them in order at times that depend only on their arrival.
///
/// By default, pieces pass immediately.
pub(crate) trait Stage: Any + Debug + Send {
    /// Changes received bytes, which start at `offset` of the flow, before they become pieces.
    fn change(&mut self, _now: Duration, _offset: u64, _bytes: &mut [u8], _tools: &mut StageContext<'_>) {}

    /// Takes a piece, and returns it if it passes immediately.
    fn push(&mut self, piece: Chunk, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        Some(piece)
    }

    /// Returns the next piece that leaves by `now`.
    fn pop(&mut self, _now: Duration, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        None
    }

    /// Returns bytes to insert after the piece that has just left, as a separate write.
    fn insert(&mut self, _tools: &mut StageContext<'_>) -> Option<Bytes> {
        None
    }

    /// Returns when `pop` must be called next, or `None` if that depends on another `push`.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Removes and returns all held pieces, in order.
    fn drain(&mut self) -> Vec<Chunk> {
        Vec::new()
    }

    /// Memory of its pieces in bytes.
    fn memory(&self) -> usize {
        0
    }

    /// Whether so much waits here that the source is better not read: it would only be stored, where a network would
    /// make its sender wait.
    fn is_full(&self) -> bool {
        false
    }

    /// Whether it decides segment by segment, so that pieces must not span two.
    fn needs_segments(&self) -> bool {
        false
    }

    /// Returns how the session ends when the stage is removed, if it does.
    fn end_on_removal(&self) -> Option<FlowEnd> {
        None
    }

    /// Goes on where `before` was: the stage of the same fault with other parameters, or of another one of its name.
    fn resume_from(&mut self, _before: &dyn Stage) {}
}

/// Statistics and decisions of a stage.
pub(crate) struct StageContext<'a> {
    pub(crate) stats: &'a FaultCounters,
    /// Records a decision about a place in the flow.
    pub(crate) tell: &'a mut dyn FnMut(Duration, u64, Decision),
}

impl StageContext<'_> {
    /// Records what was decided about `piece`.
    pub(crate) fn record(&mut self, piece: &Chunk, verdict: Decision) {
        (self.tell)(piece.at, piece.offset, verdict);
    }

    /// Records that `piece` is held for `delay`.
    pub(crate) fn hold(&mut self, piece: &Chunk, delay: Duration) {
        self.stats.record_requested(delay);
        self.record(piece, Decision::Hold { delay_ns: nanos(delay) });
    }

    /// Records that a piece that arrived at `came` leaves.
    pub(crate) fn held(&self, piece: &Chunk, came: Duration, now: Duration) {
        self.stats.record_held(now.saturating_sub(came), now.saturating_sub(piece.at));
    }

    /// Counts the ending of the session, if `piece` is one.
    pub(crate) fn ends(&mut self, piece: &Chunk) {
        let verdict = match piece.end {
            FlowEnd::Close | FlowEnd::CloseNow => Decision::Close,
            FlowEnd::Reset(_) | FlowEnd::ResetNow(_) => Decision::Reset,
            FlowEnd::No | FlowEnd::Finish | FlowEnd::Fail => return,
        };
        self.stats.record_action();
        self.record(piece, verdict);
    }
}
