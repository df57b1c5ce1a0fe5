//! State of a direction while faults act on it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::arrivals::ArrivalTimes;
use crate::block_buffer::BlockBuffer;
use crate::direction::Direction;
use crate::pipeline::{Arrival, Pipeline, Segmenter};
use crate::shared::SessionShared;
use crate::timer::Timer;

#[derive(Debug)]
pub(super) struct Faulted {
    pub(super) pipeline: Pipeline,
    pub(super) buffer: BlockBuffer,
    pub(super) failure: Option<io::Error>,
    arrivals: ArrivalTimes,
    /// Memory that the engine has counted for the flow.
    memory: usize,
    timer: Timer,
    shared: Arc<SessionShared>,
    direction: Direction,
}

impl Faulted {
    /// Creates the state with the current plan.
    pub(super) fn new(
        shared: Arc<SessionShared>,
        direction: Direction,
        segmenter: Segmenter,
        now: Duration,
    ) -> Self {
        let (plan, identity) = (shared.faults.plan(), Arc::clone(&shared.context));
        let mut faulted = Self {
            pipeline: Pipeline::new(&plan, identity, direction, segmenter, now),
            buffer: BlockBuffer::new(),
            failure: None,
            arrivals: ArrivalTimes::default(),
            memory: 0,
            timer: Timer::new(shared.timers.clone()),
            shared,
            direction,
        };
        faulted.record();
        faulted
    }

    /// Ready if the pipeline must be advanced now. Otherwise wakes the task at its deadline.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<()> {
        match self.pipeline.deadline {
            None => {
                self.timer.clear();
                Poll::Pending
            }
            Some(deadline) if deadline <= now => Poll::Ready(()),
            Some(deadline) => self.timer.poll_until(cx, self.shared.faults.engine.instant(deadline)),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.pipeline.is_full() && self.shared.faults.engine.has_room(self.pipeline.held, self.memory)
    }

    /// Processes the last `len` bytes of the buffer, which were just received.
    pub(super) fn on_received(&mut self, arrival: Arrival, len: usize) {
        self.shared.faults.on_received(self.direction, len);
        self.arrivals.push(arrival.at, len);
        self.pipeline.on_received(arrival, self.buffer.last(len));
        self.record();
    }

    /// Records the new decisions of the pipeline in the journal.
    pub(super) fn record(&mut self) {
        self.pipeline.take_decisions().into_iter().for_each(|decision| self.shared.faults.record(decision));
    }

    /// Puts the inserted bytes that leave next at the head of the buffer.
    pub(super) fn write_inserted(&mut self, now: Duration) {
        let bytes = self.pipeline.take_inserted();
        self.shared.faults.on_received(self.direction, bytes.len());
        self.arrivals.push_front(now, bytes.len());
        self.buffer.prepend(&bytes);
        self.charge();
    }

    /// Removes the first `len` bytes. Returns the sum over these bytes of the times since they arrived, in microseconds.
    pub(super) fn advance(&mut self, now: Duration, len: usize) -> u64 {
        let byte_micros = self.arrivals.pop(now, len);
        self.buffer.consume(len);
        self.pipeline.on_output(len);
        if self.pipeline.is_idle() {
            self.buffer.shrink();
            self.arrivals.clear();
        }
        self.charge();
        byte_micros
    }

    /// Drops the data in the buffer, `len` bytes. The pipeline keeps its lengths and times.
    pub(super) fn drop_bytes(&mut self, len: usize) {
        self.buffer.shrink();
        self.arrivals.clear();
        self.shared.faults.on_lost(self.direction, len);
    }

    /// Updates the counted memory of the flow, which is 0 if it does not hold any bytes. Small chunks take
    /// more memory than they have bytes.
    pub(super) fn charge(&mut self) {
        let memory = if self.pipeline.held == 0 {
            0
        } else {
            self.buffer.capacity() + self.arrivals.memory() + self.pipeline.memory()
        };
        self.shared.faults.engine.charge(self.memory, memory);
        self.memory = memory;
    }

    /// Counts the remaining `held` bytes as lost and releases the counted memory, because the flow ends.
    pub(super) fn give_up(&self, held: usize) {
        self.shared.faults.on_lost(self.direction, held);
        self.shared.faults.engine.charge(self.memory, 0);
    }
}
