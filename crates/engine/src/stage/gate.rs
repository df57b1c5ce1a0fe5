//! Lets nothing pass, and at a deadline ends the session.

use std::any::Any;
use std::time::Duration;

use crate::direction::Side;
use crate::fifo::Fifo;
use crate::journal::Decision;
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stage::{Stage, StageContext};

/// Maximum number of held bytes before the source is no longer read.
const WAITING_LIMIT: usize = 256 << 10;

/// Closed for as long as it is there.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    discard: bool,
    held: Fifo<Chunk>,
    waiting: usize,
    /// Discarded chunks on their way out.
    discarded: Fifo<Chunk>,
    ends_at: Option<(Duration, FlowEnd)>,
    /// This long after the first chunk it is to end.
    ends_after: Option<(Duration, FlowEnd)>,
    first_came: Option<Duration>,
    ending_on_leaving: Option<FlowEnd>,
}

impl Gate {
    pub(crate) fn new(discard: bool) -> Self {
        Self { discard, ..Self::default() }
    }

    /// Closes the session at `close_at`, if set. A gate that discards also closes the session when it is removed.
    pub(crate) fn timeout(discard: bool, close_at: Option<Duration>) -> Self {
        Self {
            ends_at: close_at.map(|at| (at, FlowEnd::CloseNow)),
            ending_on_leaving: discard.then_some(FlowEnd::CloseNow),
            ..Self::new(discard)
        }
    }

    /// Resets the session `after` the first chunk, or on removal after that chunk, because the discarded bytes are missing.
    pub(crate) fn reset_on_data(after: Duration) -> Self {
        Self { ends_after: Some((after, FlowEnd::ResetNow(Side::Both))), ..Self::new(true) }
    }

    fn came(&mut self, at: Duration) {
        self.first_came.get_or_insert(at);
        if let Some((after, ending)) = self.ends_after.take() {
            self.ends_at = Some((at.saturating_add(after), ending));
            self.ending_on_leaving = Some(ending);
        }
    }
}

impl Stage for Gate {
    fn push(&mut self, chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.came(chunk.at);
        if self.discard && chunk.end == FlowEnd::No {
            context.counters.record_action();
            context.record(&chunk, Decision::Discard { bytes: chunk.len as u64 });
            self.discarded.push_back(Chunk { discarded: true, ..chunk });
        } else {
            self.waiting += chunk.len;
            self.held.push_back(chunk);
        }
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        if let Some(chunk) = self.discarded.pop_front() {
            return Some(chunk);
        }
        let (at, ending) = self.ends_at.take_if(|(at, _)| *at <= now)?;
        let ending = Chunk::ending(at, ending);
        context.ends(&ending);
        Some(ending)
    }

    fn due(&self) -> Option<Duration> {
        self.discarded.front().map(|chunk| chunk.at).or(self.ends_at.map(|(at, _)| at))
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

    /// Its session is to end as it would have with this one from the first chunk on.
    fn resume_from(&mut self, before: &dyn Stage) {
        if let Some(first) = (before as &dyn Any).downcast_ref::<Self>().and_then(|before| before.first_came)
        {
            self.came(first);
        }
    }
}
