//! Stages: the effect of a fault on one flow while the fault is on.

pub(crate) mod draws;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod limit;
pub(crate) mod piece;

use std::any::Any;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use crate::journal::{Verdict, nanos};
use crate::stage::piece::{Ending, Piece};
use crate::stats::Stats;

/// A stage of a line. It takes pieces, and releases them in order at times that depend only on their arrival.
///
/// By default, pieces pass immediately.
pub(crate) trait Stage: Any + Debug + Send {
    /// Changes received bytes, which start at `offset` of the flow, before they become pieces.
    fn change(&mut self, _now: Duration, _offset: u64, _bytes: &mut [u8], _tools: &mut Tools<'_>) {}

    /// Takes a piece, and returns it if it passes immediately.
    fn push(&mut self, piece: Piece, _tools: &mut Tools<'_>) -> Option<Piece> {
        Some(piece)
    }

    /// Returns the next piece that leaves by `now`.
    fn pop(&mut self, _now: Duration, _tools: &mut Tools<'_>) -> Option<Piece> {
        None
    }

    /// Returns bytes to insert after the piece that has just left, as a separate write.
    fn insert(&mut self, _tools: &mut Tools<'_>) -> Option<Bytes> {
        None
    }

    /// Returns when `pop` must be called next, or `None` if that depends on another `push`.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Removes and returns all held pieces, in order.
    fn drain(&mut self) -> Vec<Piece> {
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
    fn ending(&self) -> Option<Ending> {
        None
    }

    /// Goes on where `before` was: the stage of the same fault with other parameters, or of another one of its name.
    fn continue_from(&mut self, _before: &dyn Stage) {}
}

/// Statistics and decisions of a stage.
pub(crate) struct Tools<'a> {
    pub(crate) stats: &'a Stats,
    /// Records a decision about a place in the flow.
    pub(crate) tell: &'a mut dyn FnMut(Duration, u64, Verdict),
}

impl Tools<'_> {
    /// Records what was decided about `piece`.
    pub(crate) fn tell(&mut self, piece: &Piece, verdict: Verdict) {
        (self.tell)(piece.at, piece.offset, verdict);
    }

    /// Records that `piece` is held for `delay`.
    pub(crate) fn hold(&mut self, piece: &Piece, delay: Duration) {
        self.stats.asked(delay);
        self.tell(piece, Verdict::Hold { delay_ns: nanos(delay) });
    }

    /// Records that a piece that arrived at `came` leaves.
    pub(crate) fn held(&self, piece: &Piece, came: Duration, now: Duration) {
        self.stats.held(now.saturating_sub(came), now.saturating_sub(piece.at));
    }

    /// Counts the ending of the session, if `piece` is one.
    pub(crate) fn ends(&mut self, piece: &Piece) {
        let verdict = match piece.end {
            Ending::Close | Ending::CloseNow => Verdict::Close,
            Ending::Reset(_) | Ending::ResetNow(_) => Verdict::Reset,
            Ending::No | Ending::Finish | Ending::Fail => return,
        };
        self.stats.acted();
        self.tell(piece, verdict);
    }
}
