//! Lets a number of bytes pass, holds or drops later bytes, and may end the session after a time.

use std::any::Any;
use std::time::Duration;

use crate::direction::Side;
use crate::fifo::Fifo;
use crate::journal::Decision;
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stage::{Stage, StageContext};

/// Maximum number of held bytes before the source is no longer read.
const WAITING_LIMIT: usize = 256 << 10;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    discard: bool,
    /// Bytes to let pass before it closes. `None` if it does not close.
    limit: Option<u64>,
    since: Duration,
    /// Bytes that have passed.
    passed: u64,
    held: Fifo<Chunk>,
    waiting: usize,
    /// Discarded chunks that have not left yet.
    discarded: Fifo<Chunk>,
    /// The end of the session and its time.
    ending: Option<Chunk>,
    /// Time from the start of the clock to the end of the session, and its kind. The clock starts with the
    /// first chunk, or with the last byte that passes.
    ends_after: Option<(Duration, FlowEnd)>,
    /// The empty chunk that started the clock.
    clock: Option<Chunk>,
    ending_on_leaving: Option<FlowEnd>,
    /// True if the gate has recorded that it holds data or ends the session.
    has_recorded: bool,
}

impl Gate {
    /// Holds all data, or discards it.
    pub(crate) fn new(discard: bool) -> Self {
        Self { discard, limit: Some(0), ..Self::default() }
    }

    /// Lets all data pass.
    pub(crate) fn open() -> Self {
        Self { limit: None, ..Self::default() }
    }

    /// Lets `bytes` pass first, counted from `since`.
    pub(crate) fn closing_after(self, bytes: u64, since: Duration) -> Self {
        Self { limit: Some(bytes), since, ..self }
    }

    /// Ends the session at this time, even if data is still held.
    pub(crate) fn ending_at(self, at: Duration, end: FlowEnd) -> Self {
        Self { ending: Some(Chunk::ending(at, end)), ..self }
    }

    /// Ends the session this long after the last byte that passes. If no byte passes, the time starts with
    /// the first chunk.
    pub(crate) fn ending_after(self, after: Duration, end: FlowEnd) -> Self {
        Self { ends_after: Some((after, end)), ..self }
    }

    /// Ends the session when the gate is removed.
    pub(crate) fn ending_on_removal(self, end: FlowEnd) -> Self {
        Self { ending_on_leaving: Some(end), ..self }
    }

    /// Resets the session `after` the first chunk, or on removal after that chunk, because the discarded bytes are missing.
    pub(crate) fn reset_on_data(after: Duration) -> Self {
        Self::new(true).ending_after(after, FlowEnd::ResetNow(Side::Both))
    }

    /// Starts the clock with `chunk`, which is empty.
    fn start_clock(&mut self, chunk: Chunk) {
        let clock = *self.clock.get_or_insert(chunk);
        if let Some((after, end)) = self.ends_after.take() {
            self.ending = Some(Chunk { at: clock.at.saturating_add(after), end, ..clock });
            if self.discard {
                self.ending_on_leaving = Some(end);
            }
        }
    }

    /// Splits off and returns the part of `chunk` that passes.
    fn split_passing(&mut self, chunk: &mut Chunk) -> Option<Chunk> {
        let Some(limit) = self.limit else {
            let behind = chunk.followed_by(chunk.at, FlowEnd::No);
            return Some(std::mem::replace(chunk, behind));
        };
        let left = limit.saturating_sub(self.passed);
        if left == 0 {
            return None;
        }
        let is_counted = chunk.end == FlowEnd::No && !chunk.discarded;
        let counted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len);
        let behind = chunk.followed_by(chunk.at, FlowEnd::No);
        let passing = match counted < chunk.len && is_counted {
            true => chunk.split(counted),
            false => std::mem::replace(chunk, behind),
        };
        if is_counted {
            self.passed += counted as u64;
            if self.passed == limit {
                self.start_clock(passing.followed_by(passing.at, FlowEnd::No));
            }
        }
        Some(passing)
    }

    fn take_in(&mut self, chunk: Chunk, context: &mut StageContext<'_>) {
        if self.limit == Some(0) {
            self.start_clock(Chunk { len: 0, end: FlowEnd::No, ..chunk });
        }
        if self.discard && chunk.end == FlowEnd::No {
            context.counters.record_action();
            context.record(&chunk, Decision::Discard { bytes: chunk.len as u64 });
            self.discarded.push_back(Chunk { discarded: true, ..chunk });
            return;
        }
        // The end of a session is a separate action.
        if !self.has_recorded && self.ending.is_none() {
            self.has_recorded = true;
            context.counters.record_action();
            context.record(&chunk, Decision::Stall);
        }
        context.counters.record_effect();
        self.waiting += chunk.len;
        self.held.push_back(chunk);
    }
}

impl Stage for Gate {
    fn push(&mut self, mut chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        let passing = self.split_passing(&mut chunk);
        if passing.is_none() || chunk.len > 0 {
            self.take_in(chunk, context);
        }
        passing
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        if let Some(chunk) = self.discarded.pop_front() {
            return Some(chunk);
        }
        let ending = self.ending.take_if(|ending| ending.at <= now)?;
        context.ends(&ending);
        self.has_recorded = true;
        Some(ending)
    }

    fn due(&self) -> Option<Duration> {
        self.discarded.front().or(self.ending.as_ref()).map(|chunk| chunk.at)
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.waiting = 0;
        self.discarded.drain(..).chain(self.held.drain(..)).collect()
    }

    fn memory(&self) -> usize {
        self.held.memory() + self.discarded.memory()
    }

    fn is_full(&self) -> bool {
        self.waiting >= WAITING_LIMIT
    }

    fn end_on_removal(&self) -> Option<FlowEnd> {
        self.ending_on_leaving
    }

    /// Continues the byte count of `before`. The session ends as if this gate had acted from the start.
    fn resume_from(&mut self, before: &dyn Stage) {
        let Some(before) = (before as &dyn Any).downcast_ref::<Self>() else { return };
        self.has_recorded = before.has_recorded;
        match (self.limit, before.limit) {
            (Some(0), Some(0)) => {
                before.clock.into_iter().for_each(|clock| self.start_clock(clock));
            }
            (Some(limit @ 1..), Some(1..)) => {
                self.passed = before.passed.min(limit);
                if self.passed == limit {
                    let now = Chunk::ending(self.since, FlowEnd::No);
                    self.start_clock(before.clock.unwrap_or(now));
                }
            }
            _ => {}
        }
    }
}
