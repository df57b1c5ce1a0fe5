//! Chunks that wait for their segment, and segments that wait for earlier segments.

use std::time::Duration;

use crate::fifo::Fifo;
use crate::stage::chunk::Chunk;
use crate::stage::rng::FaultRng;

/// Buffer of the receiver for bytes after a gap: the maximum of Linux (`tcp_rmem`).
const OUT_OF_ORDER_LIMIT: usize = 6 << 20;

/// A flow between its arrival at the sender and its delivery in order by the receiver.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Segments that are not delivered yet.
    segments: Fifo<Segment>,
    /// Index of the first of `segments` within the flow.
    first: u64,
    /// Number of segments at the end of `segments` that were not sent yet.
    unsent: usize,
    /// Number of the last segment that arrived.
    last_number: Option<u64>,
    /// The chunks of `segments`.
    held: Fifo<Chunk>,
    /// Delivered chunks.
    ready: Fifo<Chunk>,
    pub(super) unsent_bytes: usize,
    /// Number of bytes that were sent and not delivered.
    sent_bytes: usize,
}

/// The chunks with one segment number.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Offset of its first byte.
    pub(super) offset: u64,
    /// True if the first transmission is lost.
    pub(super) lost: bool,
    /// Random numbers for its retransmissions.
    pub(super) draws: FaultRng,
    received: bool,
    chunks: usize,
    bytes: usize,
}

impl Queue {
    /// Adds a chunk. For a new segment, `draw` decides whether its first transmission is lost, and returns the random numbers for
    /// its retransmissions.
    ///
    /// A later chunk of a segment has the same outcome, even if the segment was already sent.
    pub(super) fn push(&mut self, chunk: Chunk, draw: impl FnOnce() -> (bool, FaultRng)) {
        if self.last_number != Some(chunk.segment) {
            self.last_number = Some(chunk.segment);
            let (lost, draws) = draw();
            self.segments.push_back(Segment {
                number: chunk.segment,
                offset: chunk.offset,
                lost,
                draws,
                received: false,
                chunks: 0,
                bytes: 0,
            });
            self.unsent += 1;
        }
        match self.segments.back_mut() {
            None => self.ready.push_back(chunk),
            Some(segment) => {
                segment.chunks += 1;
                segment.bytes += chunk.len;
                self.held.push_back(chunk);
                *(if self.unsent > 0 { &mut self.unsent_bytes } else { &mut self.sent_bytes }) += chunk.len;
            }
        }
    }

    /// Returns the index in the flow of the first segment that was not sent.
    pub(super) fn next_unsent(&self) -> u64 {
        self.first + (self.segments.len() - self.unsent) as u64
    }

    /// Marks the next new segment as sent and returns it with its index. `None` if no segment waits or the
    /// receiver's buffer is full.
    pub(super) fn send(&mut self) -> Option<(u64, &Segment)> {
        if self.unsent == 0 || self.sent_bytes >= OUT_OF_ORDER_LIMIT {
            return None;
        }
        let index = self.next_unsent();
        let segment = &self.segments[self.segments.len() - self.unsent];
        self.unsent -= 1;
        self.unsent_bytes -= segment.bytes;
        self.sent_bytes += segment.bytes;
        Some((index, segment))
    }

    /// Returns a segment that was sent and not received.
    pub(super) fn segment(&mut self, index: u64) -> &mut Segment {
        let position = self.position(index);
        &mut self.segments[position]
    }

    fn position(&self, index: u64) -> usize {
        usize::try_from(index - self.first).expect("segments are in memory")
    }

    /// Receives a segment that was sent. Delivers all segments up to the next gap.
    pub(super) fn receive(&mut self, index: u64, at: Duration) {
        let position = self.position(index);
        self.segments[position].received = true;
        while let Some(segment) = self.segments.front()
            && segment.received
        {
            self.sent_bytes -= segment.bytes;
            for _ in 0..segment.chunks {
                if let Some(chunk) = self.held.pop_front() {
                    self.ready.push_back(Chunk { at, ..chunk });
                }
            }
            self.segments.pop_front();
            self.first += 1;
        }
    }

    /// Returns the next chunk that was delivered by `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Chunk> {
        if self.next_ready()? <= now { self.ready.pop_front() } else { None }
    }

    pub(super) fn next_ready(&self) -> Option<Duration> {
        self.ready.front().map(|chunk| chunk.at)
    }

    /// Returns true if any segment is not delivered.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn memory(&self) -> usize {
        self.segments.memory() + self.held.memory() + self.ready.memory()
    }

    /// Delivers all chunks, even those that were not sent or not received.
    pub(super) fn drain(&mut self, at: Duration) -> impl Iterator<Item = Chunk> {
        self.first += self.segments.len() as u64;
        self.segments.clear();
        (self.unsent, self.unsent_bytes, self.sent_bytes) = (0, 0, 0);
        self.ready.extend(self.held.drain(..).map(|chunk| Chunk { at, ..chunk }));
        self.ready.drain(..)
    }
}
