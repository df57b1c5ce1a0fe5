//! State of a direction while faults act on it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::arrivals::Arrivals;
use crate::common::Common;
use crate::direction::Direction;
use crate::line::{Arrival, Line, Segmenter};
use crate::store::Store;
use crate::timer::Timer;

#[derive(Debug)]
pub(super) struct Faulted {
    pub(super) line: Line,
    pub(super) store: Store,
    pub(super) failure: Option<io::Error>,
    arrivals: Arrivals,
    /// Memory that the engine has counted for the flow.
    memory: usize,
    timer: Timer,
}

impl Faulted {
    /// With the plan of this moment.
    pub(super) fn new(common: &Common, direction: Direction, segmenter: Segmenter, now: Duration) -> Self {
        let (plan, identity) = (common.faults.plan(), Arc::clone(&common.identity));
        let mut faulted = Self {
            line: Line::new(&plan, identity, direction, segmenter, now),
            store: Store::new(),
            failure: None,
            arrivals: Arrivals::default(),
            memory: 0,
            timer: Timer::new(common.timers.clone()),
        };
        faulted.record(common);
        faulted
    }

    /// Ready if the line is to be advanced. Otherwise wakes the task when it is.
    pub(super) fn poll_deadline(&mut self, common: &Common, cx: &mut Context<'_>, now: Duration) -> Poll<()> {
        match self.line.deadline() {
            None => {
                self.timer.clear();
                Poll::Pending
            }
            Some(deadline) if deadline <= now => Poll::Ready(()),
            Some(deadline) => self.timer.poll_until(cx, common.faults.engine.instant(deadline)),
        }
    }

    pub(super) fn has_room(&self, common: &Common) -> bool {
        !self.line.is_full() && common.faults.engine.has_room(self.line.held(), self.memory)
    }

    /// The last `len` bytes in the store have just come.
    pub(super) fn came(&mut self, common: &Common, direction: Direction, arrival: Arrival, len: usize) {
        common.faults.came(direction, len);
        self.arrivals.push(arrival.at, len);
        self.line.arrive(arrival, self.store.last(len));
        self.record(common);
    }

    /// Passes what the line has decided to the journal.
    pub(super) fn record(&mut self, common: &Common) {
        self.line.take_decisions().into_iter().for_each(|decision| common.faults.record(decision));
    }

    /// The inserted bytes that depart next are put before all others.
    pub(super) fn put_inserted(&mut self, common: &Common, direction: Direction, now: Duration) {
        let bytes = self.line.take_inserted();
        common.faults.came(direction, bytes.len());
        self.arrivals.push_front(now, bytes.len());
        self.store.prepend(&bytes);
        self.charge(common);
    }

    /// Removes the first `len` bytes. Returns the sum over these bytes of the times since they arrived, in microseconds.
    pub(super) fn take_off(&mut self, common: &Common, now: Duration, len: usize) -> u64 {
        let byte_micros = self.arrivals.pop(now, len);
        self.store.consume(len);
        self.line.depart(len);
        if self.line.is_idle() {
            self.store.shrink();
            self.arrivals.clear();
        }
        self.charge(common);
        byte_micros
    }

    /// All that the store has, which is `len` bytes, is given up. The line still has their lengths and times.
    pub(super) fn drop_bytes(&mut self, common: &Common, direction: Direction, len: usize) {
        self.store.shrink();
        self.arrivals.clear();
        common.faults.lost(direction, len);
    }

    /// Counts the memory of the flow while it holds anything. Small pieces take more memory than they have bytes.
    pub(super) fn charge(&mut self, common: &Common) {
        let memory = if self.line.held() == 0 {
            0
        } else {
            self.store.capacity() + self.arrivals.memory() + self.line.memory()
        };
        common.faults.engine.charge(self.memory, memory);
        self.memory = memory;
    }

    /// The flow ends. `held` bytes are in the store.
    pub(super) fn give_up(&self, common: &Common, direction: Direction, held: usize) {
        common.faults.lost(direction, held);
        common.faults.engine.charge(self.memory, 0);
    }
}
