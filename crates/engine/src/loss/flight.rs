//! Transmissions on the path, and what the sender knows about them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::size_of;
use std::time::Duration;

use crate::fifo::Fifo;

/// A path that never reorders. Each transmission that arrives is acknowledged one round trip after it was
/// sent.
///
/// The acknowledgment of a transmission therefore shows that all earlier transmissions without an
/// acknowledgment are lost. This is RACK (RFC 8985) without an allowance for reordering, on selective
/// acknowledgments (RFC 2018).
#[derive(Debug, Default)]
pub(super) struct Flight {
    round_trip: Duration,
    transmissions: u64,
    /// Transmissions that arrive and are not yet acknowledged.
    arrived: Fifo<Transmission>,
    /// Transmissions that are lost, which the sender does not know yet.
    missing: Fifo<Transmission>,
    /// Segments that the sender knows to be lost. The first segment is sent again first.
    lost: BinaryHeap<Reverse<u64>>,
}

/// One transmission of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transmission {
    /// Number among all transmissions of the flow.
    pub(super) number: u64,
    pub(super) segment: u64,
    at: Duration,
}

/// Acknowledgment of one transmission.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Acknowledgment {
    pub(super) of: Transmission,
    /// The last segment that the acknowledgment shows to be lost.
    pub(super) last_lost: Option<u64>,
}

impl Flight {
    pub(super) fn new(round_trip: Duration) -> Self {
        Self { round_trip, ..Self::default() }
    }

    /// Sends `segment`. Returns the number of the transmission.
    pub(super) fn send(&mut self, segment: u64, at: Duration, arrives: bool) -> u64 {
        let number = self.transmissions;
        self.transmissions += 1;
        let path = if arrives { &mut self.arrived } else { &mut self.missing };
        path.push_back(Transmission { number, segment, at });
        number
    }

    pub(super) fn memory(&self) -> usize {
        self.arrived.memory() + self.missing.memory() + self.lost.capacity() * size_of::<Reverse<u64>>()
    }

    /// Returns the number of transmissions that are neither acknowledged nor known to be lost ("pipe" in RFC
    /// 6675).
    pub(super) fn outstanding(&self) -> usize {
        self.arrived.len() + self.missing.len()
    }

    /// Returns the number of segments that were sent and are not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.outstanding() + self.lost.len()
    }

    pub(super) fn next_acknowledgment(&self) -> Option<Duration> {
        self.arrived.front().map(|transmission| transmission.at.saturating_add(self.round_trip))
    }

    /// Processes the next acknowledgment.
    pub(super) fn acknowledge(&mut self) -> Option<Acknowledgment> {
        let of = self.arrived.pop_front()?;
        let last_lost = self.lose(|missing| missing.number < of.number);
        Some(Acknowledgment { of, last_lost })
    }

    /// Marks as lost all transmissions that should have been acknowledged by `now`.
    pub(super) fn give_up(&mut self, now: Duration) {
        let round_trip = self.round_trip;
        self.lose(|missing| missing.at.saturating_add(round_trip) <= now);
    }

    /// Marks the first missing transmissions as lost, while `known` is true. Returns the last segment among
    /// them.
    fn lose(&mut self, known: impl FnMut(&Transmission) -> bool) -> Option<u64> {
        let count = self.missing.partition_point(known);
        let mut last = None;
        for missing in self.missing.drain(..count) {
            self.lost.push(Reverse(missing.segment));
            last = last.max(Some(missing.segment));
        }
        last
    }

    /// Removes and returns the first segment that is known to be lost, to send it again.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        self.lost.pop().map(|Reverse(segment)| segment)
    }

    /// Removes the last missing transmission and returns its segment, to send it again.
    pub(super) fn take_last_missing(&mut self) -> Option<u64> {
        self.missing.pop_back().map(|missing| missing.segment)
    }
}
