//! A fault in one flow of one session, with its stage while the fault is on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::direction::Direction;
use crate::effect::Start;
use crate::journal::{Decision, JournalEntry};
use crate::pipeline::SessionContext;
use crate::pipeline::plan::PlanEntry;
use crate::stage::chunk::Chunk;
use crate::stage::rng::DrawKey;
use crate::stage::{Stage, StageContext};

/// Decisions that the flow has not recorded yet. `None` without a journal.
pub(crate) type JournalEntries = Option<Vec<JournalEntry>>;

#[derive(Debug)]
pub(crate) struct FaultInstance {
    pub(crate) entry: Arc<PlanEntry>,
    /// Result of the draw for this session.
    applies: bool,
    /// True if the session is not counted yet. The instance of one of its flows counts it.
    is_to_count: bool,
    /// Next time at which it is switched on or off.
    pub(crate) changes_at: Option<Duration>,
    stage: Option<Box<dyn Stage>>,
    /// Bytes to insert after the chunk that has just left.
    inserted: Option<Bytes>,
    key: DrawKey,
    direction: Direction,
    context: Arc<SessionContext>,
}

impl FaultInstance {
    /// Creates an instance that is off until [`switch`](Self::switch) is called.
    pub(crate) fn new(entry: Arc<PlanEntry>, identity: Arc<SessionContext>, direction: Direction) -> Self {
        let fault = &entry.fault;
        let applies = identity.applies(&entry);
        let is_first = direction == Direction::ToUpstream || !fault.directions.to_upstream;
        let key = identity.key(Some(direction), &fault.name);
        Self {
            applies,
            is_to_count: is_first,
            changes_at: Some(Duration::ZERO),
            stage: None,
            inserted: None,
            key,
            direction,
            context: identity,
            entry,
        }
    }

    /// Changes the fault to `entry`. Returns the changed instance and the chunks that the old one held.
    pub(crate) fn changed(mut self, entry: Arc<PlanEntry>, now: Duration) -> (Self, Vec<Chunk>) {
        let before = self.stage.take();
        let mut changed = Self { entry, stage: None, changes_at: Some(Duration::ZERO), ..self };
        changed.applies = changed.context.applies(&changed.entry);
        changed.switch(now);
        let held = match (&mut changed.stage, before) {
            (_, None) => Vec::new(),
            (None, Some(before)) => drain_removed(before, now),
            (Some(stage), Some(mut before)) => {
                stage.resume_from(&*before);
                before.drain()
            }
        };
        (changed, held)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.stage.is_some()
    }

    /// Applies the schedule up to `now`. Returns the held chunks if it switches the fault off.
    pub(crate) fn switch(&mut self, now: Duration) -> Vec<Chunk> {
        let Some(due) = self.changes_at.filter(|due| *due <= now) else { return Vec::new() };
        let windows = &self.entry.fault.windows;
        self.changes_at = if self.applies { windows.next_change(now) } else { None };
        if !self.applies || windows.is_on(now) == self.is_on() {
            return Vec::new();
        }
        match self.stage.take() {
            Some(stage) => drain_removed(stage, now),
            None => {
                self.stage = self.entry.fault.effect.behavior().stage(Start {
                    since: due.max(self.context.opened).max(self.entry.added),
                    rtt: self.context.rtt,
                    bucket: self.entry.bucket(self.direction),
                    key: self.key,
                });
                if std::mem::take(&mut self.is_to_count) {
                    self.entry.counters.record_session();
                }
                Vec::new()
            }
        }
    }

    /// Switches the fault off permanently. Returns the held chunks.
    pub(crate) fn end(mut self, now: Duration) -> Vec<Chunk> {
        self.stage.take().map(|stage| drain_removed(stage, now)).unwrap_or_default()
    }

    /// Returns the decision whether the fault applies to the session, if the fault was added after the
    /// session began.
    pub(crate) fn late_draw(&self, now: Duration) -> Option<JournalEntry> {
        let fault = &self.entry.fault;
        let is_drawn = fault.probability < 1.0 && self.entry.selector.is_none();
        let is_late = self.is_to_count && is_drawn && self.entry.added > self.context.opened;
        let decision = Decision::Applies { applies: self.applies };
        is_late.then(|| self.context.decision(now, None, &self.entry, 0, decision))
    }

    fn with_stage<T>(
        &mut self,
        decisions: &mut JournalEntries,
        act: impl FnOnce(&mut dyn Stage, &mut StageContext<'_>) -> Option<T>,
    ) -> Option<T> {
        let Self { entry, stage, inserted, direction, context: identity, .. } = self;
        let mut record = |at, offset, decision| {
            if let Some(decisions) = decisions {
                decisions.push(identity.decision(at, Some(*direction), entry, offset, decision));
            }
        };
        let mut context = StageContext { counters: &entry.counters, inserted, record_decision: &mut record };
        act(&mut **stage.as_mut()?, &mut context)
    }

    /// Returns the chunk if it passes immediately.
    pub(crate) fn push(&mut self, chunk: Chunk, decisions: &mut JournalEntries) -> Option<Chunk> {
        if !self.is_on() {
            return Some(chunk);
        }
        self.with_stage(decisions, |stage, context| stage.push(chunk, context))
    }

    /// See [`Stage::pop_all`].
    pub(crate) fn pop_all(
        &mut self,
        now: Duration,
        leaving: &mut Vec<Chunk>,
        decisions: &mut JournalEntries,
    ) {
        self.with_stage(decisions, |stage, context| {
            stage.pop_all(now, leaving, context);
            Some(())
        });
    }

    /// Takes the bytes to insert after the chunk that has just left.
    pub(crate) fn take_inserted(&mut self) -> Option<Bytes> {
        self.inserted.take()
    }

    /// Changes received bytes in place; the first is at `offset`.
    pub(crate) fn change(
        &mut self,
        now: Duration,
        offset: u64,
        bytes: &mut [u8],
        decisions: &mut JournalEntries,
    ) {
        self.with_stage(decisions, |stage, context| {
            stage.change(now, offset, bytes, context);
            Some(())
        });
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.stage.as_ref().and_then(|stage| stage.due())
    }

    pub(crate) fn memory(&self) -> usize {
        self.stage.as_ref().map_or(0, |stage| stage.memory())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.stage.as_ref().is_some_and(|stage| stage.is_full())
    }

    pub(crate) fn needs_segments(&self) -> bool {
        self.stage.as_ref().is_some_and(|stage| stage.needs_segments())
    }
}

/// Drains a removed stage. Returns its chunks, followed by the end of the session if the removal ends the
/// session.
fn drain_removed(mut stage: Box<dyn Stage>, now: Duration) -> Vec<Chunk> {
    let mut held = stage.drain();
    held.extend(stage.end_on_removal().map(|ending| Chunk::ending(now, ending)));
    held
}
