//! Chunks of a pipeline: lengths, times and ends. The bytes themselves stay in the buffer.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::direction::Side;

/// Bit in the segment number that marks inserted bytes.
const INSERTED: u64 = 1 << 63;

/// Consecutive bytes that are handled together, or the end of the flow or session after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Time of arrival at the stage that holds it. For a chunk that has left, the time at which it left, even if the call was
    /// later.
    pub(crate) at: Duration,
    /// Offset of its first byte in the flow.
    pub(crate) offset: u64,
    /// Number of bytes, or 0 for an end.
    pub(crate) len: usize,
    /// Number of its segment. Consecutive chunks may belong to the same segment.
    pub(crate) segment: u64,
    /// End of the flow that the chunk marks, or `No` for data.
    pub(crate) end: FlowEnd,
    /// True if the bytes are not delivered.
    pub(crate) discarded: bool,
    /// Number of the insertion, if a fault inserted the bytes.
    pub(crate) inserted: Option<NonZeroU32>,
    /// True if the next chunk must be delivered by a separate write.
    pub(crate) cut: bool,
}

impl Chunk {
    /// Returns an end, or an empty chunk, without a position in the flow.
    pub(crate) fn ending(at: Duration, end: FlowEnd) -> Self {
        Self { at, offset: 0, len: 0, segment: 0, end, discarded: false, inserted: None, cut: false }
    }

    /// Returns the chunk for bytes that a fault inserts after `self`, as a separate segment and write.
    pub(crate) fn followed_by_inserted(self, len: usize, number: NonZeroU32) -> Self {
        let segment = INSERTED | u64::from(number.get());
        Self { len, segment, inserted: Some(number), cut: true, ..self.followed_by(self.at, FlowEnd::No) }
    }

    /// Returns the chunk for an end that a stage adds after `self`.
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

    /// Splits off and returns the first `len` bytes.
    pub(crate) fn split(&mut self, len: usize) -> Self {
        let first = Self { len, cut: false, ..*self };
        self.offset += len as u64;
        self.len -= len;
        first
    }
}

/// End of a flow or its session.
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
