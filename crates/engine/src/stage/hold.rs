//! Holds each chunk until a time that is known when the chunk arrives.

use std::fmt::Debug;
use std::time::Duration;

use crate::fifo::Fifo;
use crate::stage::chunk::Chunk;
use crate::stage::{Stage, StageContext};

/// Hold times of the chunks of a [`HoldStage`].
pub(crate) trait HoldTimes: Debug + Send + 'static {
    /// True if the statistics include chunks that were not held.
    const COUNTS_ALL: bool = false;

    /// Returns how long to hold `chunk`.
    fn hold_time(&mut self, chunk: &Chunk, context: &mut StageContext<'_>) -> Duration;

    /// See [`Stage::needs_segments`].
    fn needs_segments(&self) -> bool {
        false
    }
}

/// Chunks in order, each with its release time.
#[derive(Debug)]
pub(crate) struct HoldStage<T> {
    times: T,
    queue: Fifo<(Chunk, Duration)>,
    last_due: Duration,
}

impl<T> HoldStage<T> {
    pub(crate) fn new(times: T) -> Self {
        Self { times, queue: Fifo::new(), last_due: Duration::ZERO }
    }
}

impl<T: HoldTimes> Stage for HoldStage<T> {
    /// A chunk does not leave before chunks that arrived earlier.
    fn push(&mut self, chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        let time = self.times.hold_time(&chunk, context);
        self.last_due = self.last_due.max(chunk.at.saturating_add(time));
        if !T::COUNTS_ALL && self.queue.is_empty() && self.last_due == chunk.at {
            return Some(chunk);
        }
        self.queue.push_back((chunk, self.last_due));
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.queue.front().filter(|(_, due)| *due <= now)?;
        let (chunk, due) = self.queue.pop_front()?;
        let leaving = Chunk { at: due, ..chunk };
        if T::COUNTS_ALL || due > chunk.at {
            context.held(&leaving, chunk.at, now);
        }
        Some(leaving)
    }

    fn due(&self) -> Option<Duration> {
        self.queue.front().map(|(_, due)| *due)
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.last_due = Duration::ZERO;
        self.queue.drain(..).map(|(chunk, _)| chunk).collect()
    }

    fn memory(&self) -> usize {
        self.queue.memory()
    }

    fn needs_segments(&self) -> bool {
        self.times.needs_segments()
    }
}
