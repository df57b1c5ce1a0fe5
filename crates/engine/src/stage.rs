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

/// Maximum number of chunks that move from stage to stage in one call. Each flow keeps a buffer for as many, and a stage may
/// hold hundreds of thousands that leave at the same time.
pub(crate) const MAX_BATCH: usize = 32;

/// A stage of a pipeline. It takes chunks, and releases them in order at times that depend only on their arrival.
///
/// By default, chunks pass immediately.
pub(crate) trait Stage: Any + Debug + Send {
    /// Changes received bytes, which start at `offset` of the flow, before they become chunks.
    fn change(&mut self, _now: Duration, _offset: u64, _bytes: &mut [u8], _tools: &mut StageContext<'_>) {}

    /// Takes a chunk, and returns it if it passes immediately.
    fn push(&mut self, chunk: Chunk, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        Some(chunk)
    }

    /// Returns the next chunk that leaves by `now`.
    fn pop(&mut self, _now: Duration, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        None
    }

    /// Moves chunks that leave by `now` to `leaving`. It moves at most [`MAX_BATCH`] chunks, and stops after
    /// a chunk that is followed by inserted bytes.
    fn pop_all(&mut self, now: Duration, leaving: &mut Vec<Chunk>, context: &mut StageContext<'_>) {
        while leaving.len() < MAX_BATCH
            && context.inserted.is_none()
            && let Some(chunk) = self.pop(now, context)
        {
            leaving.push(chunk);
        }
    }

    /// Returns when `pop` must be called next, or `None` if that depends on another `push`.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Removes and returns all held chunks, in order.
    fn drain(&mut self) -> Vec<Chunk> {
        Vec::new()
    }

    /// Returns the memory of its chunks in bytes.
    fn memory(&self) -> usize {
        0
    }

    /// Returns true if the stage holds so much that the source should not be read. A network would make the sender wait,
    /// while the stage would only store more.
    fn is_full(&self) -> bool {
        false
    }

    /// Returns true if the stage decides per segment, so that a chunk must not span two segments.
    fn needs_segments(&self) -> bool {
        false
    }

    /// Returns how the session ends when the stage is removed, if it does.
    fn end_on_removal(&self) -> Option<FlowEnd> {
        None
    }

    /// Continues from the state of `before`: the stage of the same fault with other parameters, or of another fault with
    /// the same name.
    fn resume_from(&mut self, _before: &dyn Stage) {}
}

/// Statistics, decisions and inserted bytes of a stage.
pub(crate) struct StageContext<'a> {
    pub(crate) counters: &'a FaultCounters,
    /// Bytes to insert after the chunk that `push` or `pop` returns, as a separate write.
    pub(crate) inserted: &'a mut Option<Bytes>,
    /// Records a decision at a time and an offset in the flow.
    pub(crate) record_decision: &'a mut dyn FnMut(Duration, u64, Decision),
}

impl StageContext<'_> {
    /// Records a decision about `chunk`.
    pub(crate) fn record(&mut self, chunk: &Chunk, decision: Decision) {
        (self.record_decision)(chunk.at, chunk.offset, decision);
    }

    /// Records that `chunk` is held for `delay`.
    pub(crate) fn hold(&mut self, chunk: &Chunk, delay: Duration) {
        self.counters.record_requested(delay);
        self.record(chunk, Decision::Hold { delay_ns: nanos(delay) });
    }

    /// Counts the hold time of a chunk that arrived at `arrived` and leaves.
    pub(crate) fn held(&self, chunk: &Chunk, arrived: Duration, now: Duration) {
        self.counters.record_held(now.saturating_sub(arrived), now.saturating_sub(chunk.at));
    }

    /// Counts an action of the fault if `chunk` ends the session.
    pub(crate) fn ends(&mut self, chunk: &Chunk) {
        let decision = match chunk.end {
            FlowEnd::Close | FlowEnd::CloseNow => Decision::Close,
            FlowEnd::Reset(_) | FlowEnd::ResetNow(_) => Decision::Reset,
            FlowEnd::No | FlowEnd::Finish | FlowEnd::Fail => return,
        };
        self.counters.record_action();
        self.record(chunk, decision);
    }
}
