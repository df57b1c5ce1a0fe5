//! The faults of one direction of a session.
//!
//! The pipeline is pure: it handles lengths, and times since the start of the run. The bytes are in a
//! `BlockBuffer`, in the same order.

mod context;
mod inserted;
mod instance;
pub(crate) mod plan;
mod segment;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::context::SessionContext;
use self::inserted::Inserted;
use self::instance::{FaultInstance, JournalEntries};
use self::plan::Plan;
pub(crate) use self::segment::{Arrival, Segmenter};
use crate::direction::Direction;
use crate::fifo::Fifo;
use crate::journal::JournalEntry;
use crate::stage::MAX_BATCH;
use crate::stage::chunk::{Chunk, FlowEnd};

/// Maximum number of bytes that are ready but not yet written. At this limit, the source has to wait. Held
/// bytes are in the simulated network, but ready bytes are in the buffer of a receiver.
const READY_LIMIT: usize = 256 << 10;

/// What to do with the bytes at the head of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Write this number of bytes, in one write.
    Deliver(usize),
    /// Drop this number of bytes.
    Discard(usize),
    /// Write inserted bytes first; see [`Pipeline::take_inserted`].
    Insert,
    /// End the flow or the session. All earlier bytes have left.
    End(FlowEnd),
    /// Wait for the deadline or for more bytes.
    Wait,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    direction: Direction,
    instances: Vec<FaultInstance>,
    segmenter: Segmenter,
    /// Number of bytes that have arrived and not left.
    pub(crate) held: usize,
    out: Fifo<Chunk>,
    /// Number of bytes that may be written.
    ready: usize,
    inserted: Inserted,
    ended_now: Option<FlowEnd>,
    /// Next time at which an instance is switched on or off, or releases a chunk.
    pub(crate) deadline: Option<Duration>,
    decisions: JournalEntries,
    /// Chunks on their way between two stages. It is empty except in `settle`.
    leaving: Vec<Chunk>,
    context: Arc<SessionContext>,
}

impl Pipeline {
    /// Creates a pipeline that continues at the position of `segmenter` in the flow.
    pub(crate) fn new(
        plan: &Plan,
        identity: Arc<SessionContext>,
        direction: Direction,
        segmenter: Segmenter,
        now: Duration,
    ) -> Self {
        let mut pipeline = Self {
            direction,
            instances: Vec::new(),
            segmenter,
            held: 0,
            out: Fifo::new(),
            ready: 0,
            inserted: Inserted::default(),
            ended_now: None,
            deadline: None,
            decisions: identity.has_journal.then(Vec::new),
            leaving: Vec::new(),
            context: identity,
        };
        pipeline.sync_plan(plan, now);
        pipeline
    }

    /// Applies a changed plan. Bytes that a removed fault holds pass on to the next fault. A changed fault
    /// continues to hold its bytes with its new parameters.
    pub(crate) fn sync_plan(&mut self, plan: &Plan, now: Duration) {
        for index in (0..self.instances.len()).rev() {
            let instance = &self.instances[index];
            let entry = plan.iter().find(|entry| entry.fault.name == instance.entry.fault.name);
            match entry
                .filter(|entry| entry.acts_on(self.direction) && entry.place() == instance.entry.place())
            {
                Some(entry) if Arc::ptr_eq(entry, &instance.entry) => {}
                Some(entry) => {
                    let (changed, held) = self.instances.remove(index).changed(Arc::clone(entry), now);
                    let is_on = changed.is_on();
                    self.instances.insert(index, changed);
                    for chunk in held {
                        self.push(index, if is_on { chunk } else { Chunk { at: now, ..chunk } });
                    }
                }
                None => {
                    let held = self.instances.remove(index).end(now);
                    held.into_iter().for_each(|chunk| self.push(index, Chunk { at: now, ..chunk }));
                }
            }
        }
        for entry in plan.iter().filter(|entry| entry.acts_on(self.direction)) {
            if !self.instances.iter().any(|instance| Arc::ptr_eq(&instance.entry, entry)) {
                let place = entry.place();
                let index = self.instances.partition_point(|instance| instance.entry.place() <= place);
                let instance =
                    FaultInstance::new(Arc::clone(entry), Arc::clone(&self.context), self.direction);
                if let Some(decisions) = &mut self.decisions {
                    decisions.extend(instance.late_draw(now));
                }
                self.instances.insert(index, instance);
            }
        }
        self.deadline = Some(now);
        self.advance(now);
    }

    /// Processes received bytes.
    pub(crate) fn on_received(&mut self, arrival: Arrival, bytes: &mut [u8]) {
        let now = arrival.at;
        self.advance(now);
        for instance in &mut self.instances {
            instance.change(now, self.segmenter.position, bytes, &mut self.decisions);
        }
        let in_segments =
            self.decisions.is_some() || self.instances.iter().any(FaultInstance::needs_segments);
        self.segmenter.on_received(arrival);
        self.held += bytes.len();
        let mut left = bytes.len();
        while left > 0 {
            let offset = self.segmenter.position;
            let (segment, len) = self.segmenter.take(left);
            let len = if in_segments {
                len
            } else {
                self.segmenter.skip(left - len);
                left
            };
            let data = Chunk { offset, len, segment, ..Chunk::ending(now, FlowEnd::No) };
            self.push(0, data);
            left -= len;
        }
        self.settle(now);
    }

    /// Counts bytes that bypassed the pipeline, which is possible while it [is idle](Self::is_idle).
    pub(crate) fn on_bypassed(&mut self, arrival: Arrival, len: usize) {
        self.segmenter.on_bypassed(arrival, len);
    }

    /// Processes the end of the source.
    pub(crate) fn finish(&mut self, now: Duration, end: FlowEnd) {
        let segment = self.segmenter.separate();
        self.push(0, Chunk { offset: self.segmenter.position, segment, ..Chunk::ending(now, end) });
        self.settle(now);
    }

    /// Passes `chunk` to the first instance from `index` on that is on, or to the output.
    fn push(&mut self, index: usize, chunk: Chunk) {
        let mut passing = chunk;
        for index in index..self.instances.len() {
            match self.instances[index].push(passing, &mut self.decisions) {
                Some(chunk) => passing = chunk,
                None => return,
            }
            if let Some(bytes) = self.instances[index].take_inserted() {
                self.push(index + 1, passing);
                return self.insert(index + 1, passing, bytes);
            }
        }
        if matches!(passing.end, FlowEnd::CloseNow | FlowEnd::ResetNow(_)) {
            self.ended_now.get_or_insert(passing.end);
            return;
        }
        self.ready += passing.len;
        match self.out.back_mut() {
            Some(last)
                if !last.cut
                    && (last.discarded, last.inserted) == (passing.discarded, passing.inserted)
                    && (last.end, passing.end) == (FlowEnd::No, FlowEnd::No) =>
            {
                last.len += passing.len;
                last.cut = passing.cut;
            }
            _ => self.out.push_back(passing),
        }
    }

    /// Inserts bytes of the fault before the instance `index` after `chunk`.
    fn insert(&mut self, index: usize, chunk: Chunk, bytes: Bytes) {
        let len = bytes.len();
        let number = self.inserted.add(bytes);
        self.push(index, chunk.followed_by_inserted(len, number));
    }

    /// Processes everything that is due by `now`.
    pub(crate) fn advance(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            for index in 0..self.instances.len() {
                for chunk in self.instances[index].switch(now) {
                    self.push(index + 1, Chunk { at: now, ..chunk });
                }
            }
            self.settle(now);
        }
    }

    fn settle(&mut self, now: Duration) {
        for index in 0..self.instances.len() {
            loop {
                let mut leaving = mem::take(&mut self.leaving);
                self.instances[index].pop_all(now, &mut leaving, &mut self.decisions);
                let (last, is_full) = (leaving.last().copied(), leaving.len() == MAX_BATCH);
                for chunk in leaving.drain(..) {
                    self.push(index + 1, chunk);
                }
                self.leaving = leaving;
                match last.zip(self.instances[index].take_inserted()) {
                    Some((chunk, bytes)) => self.insert(index + 1, chunk, bytes),
                    None if is_full => {}
                    None => break,
                }
            }
        }
        let deadlines = self.instances.iter().flat_map(|instance| [instance.changes_at, instance.due()]);
        self.deadline = deadlines.flatten().min();
    }

    /// Returns what to do with the bytes at the head of the buffer.
    pub(crate) fn output(&self) -> Output {
        if let Some(end) = self.ended_now {
            return Output::End(end);
        }
        match self.out.front() {
            None => Output::Wait,
            Some(Chunk { inserted: Some(_), .. }) => Output::Insert,
            Some(Chunk { end: FlowEnd::No, len, discarded: false, .. }) => Output::Deliver(*len),
            Some(Chunk { end: FlowEnd::No, len, .. }) => Output::Discard(*len),
            Some(Chunk { end, .. }) => Output::End(*end),
        }
    }

    /// Returns the inserted bytes that leave next. From now on, they count as bytes at the head of the
    /// buffer.
    pub(crate) fn take_inserted(&mut self) -> Bytes {
        let Some(first) = self.out.front_mut() else { return Bytes::new() };
        let Some(number) = first.inserted.take() else { return Bytes::new() };
        self.held += first.len;
        self.inserted.take(number, first.len)
    }

    /// Removes this number of bytes, which were written or dropped.
    pub(crate) fn on_output(&mut self, len: usize) {
        self.held -= len;
        self.ready -= len;
        if let Some(first) = self.out.front_mut() {
            if len < first.len {
                first.split(len);
            } else {
                self.out.pop_front();
            }
        }
    }

    /// Removes and returns the decisions so far, in order.
    pub(crate) fn take_decisions(&mut self) -> Vec<JournalEntry> {
        self.decisions.as_mut().map(mem::take).unwrap_or_default()
    }

    /// Returns the memory of the chunks in bytes, without the data.
    pub(crate) fn memory(&self) -> usize {
        self.out.memory()
            + self.leaving.capacity() * size_of::<Chunk>()
            + self.inserted.memory()
            + self.instances.iter().map(FaultInstance::memory).sum::<usize>()
    }

    /// Returns true if no more bytes should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.ready >= READY_LIMIT || self.instances.iter().any(FaultInstance::is_full)
    }

    /// Returns the position in the flow if no fault acts on the direction and nothing is held.
    pub(crate) fn unused(&self) -> Option<&Segmenter> {
        (self.instances.is_empty() && self.is_idle()).then_some(&self.segmenter)
    }

    /// Returns true if bytes pass unchanged until the deadline.
    pub(crate) fn is_idle(&self) -> bool {
        self.held == 0
            && self.out.is_empty()
            && self.ended_now.is_none()
            && !self.instances.iter().any(FaultInstance::is_on)
    }
}

#[cfg(test)]
mod tests;
