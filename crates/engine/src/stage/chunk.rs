//! What moves through a line: lengths, times and endings; the bytes themselves stay where they are.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::direction::Side;

/// Marks the segments of inserted bytes.
const INSERTED: u64 = 1 << 63;

/// Consecutive bytes that travel together, or the ending behind the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Time of arrival at the stage that holds it. For a chunk that has left, the time at which it left, even if the call was
    /// later.
    pub(crate) at: Duration,
    /// Offset of its first byte in the flow.
    pub(crate) offset: u64,
    /// 0 for an ending.
    pub(crate) len: usize,
    /// The segment it belongs to; consecutive chunks may share one.
    pub(crate) segment: u64,
    /// End of the flow that the chunk marks, or `No` for data.
    pub(crate) end: FlowEnd,
    /// Its bytes are not delivered.
    pub(crate) discarded: bool,
    /// Its bytes did not come from the source: a fault inserted them, under this number.
    pub(crate) inserted: Option<NonZeroU32>,
    /// The next chunk is delivered by a separate write.
    pub(crate) cut: bool,
}

impl Chunk {
    /// An ending, or an empty chunk, of no particular place.
    pub(crate) fn ending(at: Duration, end: FlowEnd) -> Self {
        Self { at, offset: 0, len: 0, segment: 0, end, discarded: false, inserted: None, cut: false }
    }

    /// Bytes that a fault inserts after `self`, as a separate segment and write.
    pub(crate) fn followed_by_inserted(self, len: usize, number: NonZeroU32) -> Self {
        let segment = INSERTED | u64::from(number.get());
        Self { len, segment, inserted: Some(number), cut: true, ..self.followed_by(self.at, FlowEnd::No) }
    }

    /// An ending that a stage adds behind `self`.
    pub(crate) fn followed_by(self, at: Duration, end: FlowEnd) -> Self {
        Self {
            at,
            offset: self.offset + self.len as u64,
            len: 0,
            end,
            discarded: false,
            inserted: None,
            cut: false,
            ..self
        }
    }

    /// Splits off the first `len` bytes.
    pub(crate) fn split(&mut self, len: usize) -> Self {
        let first = Self { len, cut: false, ..*self };
        self.offset += len as u64;
        self.len -= len;
        first
    }
}

/// How a flow, or its session, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowEnd {
    /// The flow does not end: the chunk is data.
    No,
    /// The source half-closed.
    Finish,
    /// The source failed.
    Fail,
    /// A fault closes the session here.
    Close,
    /// A fault closes the session now, even if data is still held.
    CloseNow,
    /// A fault resets the session here.
    Reset(Side),
    /// A fault resets the session now, even if data is still held.
    ResetNow(Side),
}
