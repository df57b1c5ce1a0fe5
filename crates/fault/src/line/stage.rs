//! What a fault does to one flow while it is on.

use std::any::Any;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use crate::journal::{Verdict, nanos};
use crate::line::piece::{Ending, Piece};
use crate::stats::Stats;

/// A stage of a line. It takes pieces, and lets them out in order at times that follow from their arrival.
///
/// What a stage does not say is said for it: pieces pass at once, and nothing is held.
pub(crate) trait Stage: Any + Debug + Send {
    /// Changes bytes that come at `offset` of the flow, before they become pieces.
    fn change(&mut self, _now: Duration, _offset: u64, _bytes: &mut [u8], _tools: &Tools<'_>) {}

    /// Takes a piece in; gives it back if it passes at once.
    fn push(&mut self, piece: Piece, _tools: &Tools<'_>) -> Option<Piece> {
        Some(piece)
    }

    /// The next piece that has left by `now`.
    fn pop(&mut self, _now: Duration, _tools: &Tools<'_>) -> Option<Piece> {
        None
    }

    /// Bytes that follow the piece that has just left, as a write of their own.
    fn insert(&mut self, _tools: &Tools<'_>) -> Option<Bytes> {
        None
    }

    /// When `pop` is to be called next; `None`: not before another `push`.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Everything that it holds, in order.
    fn drain(&mut self) -> Vec<Piece> {
        Vec::new()
    }

    /// The bytes that its pieces are allocated in.
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

    /// How the session ends when the stage goes, if it does.
    fn ending(&self) -> Option<Ending> {
        None
    }

    /// Goes on where `before` was: the stage of the same fault with other parameters, or of another one of its name.
    fn continue_from(&mut self, _before: &dyn Stage) {}
}

/// What a stage works with besides its own state.
pub(crate) struct Tools<'a> {
    pub(crate) stats: &'a Stats,
    /// Tells the journal of a decision about a place in the flow.
    pub(crate) tell: &'a dyn Fn(Duration, u64, Verdict),
}

impl Tools<'_> {
    /// Tells the journal what was decided about `piece`.
    pub(crate) fn tell(&self, piece: &Piece, verdict: Verdict) {
        (self.tell)(piece.at, piece.offset, verdict);
    }

    /// `piece` is to be held for `delay`.
    pub(crate) fn hold(&self, piece: &Piece, delay: Duration) {
        self.stats.asked(delay);
        self.tell(piece, Verdict::Hold { delay_ns: nanos(delay) });
    }

    /// A piece that came at `came` leaves.
    pub(crate) fn held(&self, piece: &Piece, came: Duration, now: Duration) {
        self.stats.held(now.saturating_sub(came), now.saturating_sub(piece.at));
    }

    /// Counts the ending of the session, if `piece` is one.
    pub(crate) fn ends(&self, piece: &Piece) {
        let verdict = match piece.end {
            Ending::Close | Ending::CloseNow => Verdict::Close,
            Ending::Reset(_) | Ending::ResetNow(_) => Verdict::Reset,
            Ending::No | Ending::Finish | Ending::Fail => return,
        };
        self.stats.acted();
        self.tell(piece, verdict);
    }
}
