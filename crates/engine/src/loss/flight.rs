//! Transmissions on the path, and what the sender has learned of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::size_of;
use std::time::Duration;

use crate::fifo::Fifo;

/// A path that never reorders, with an acknowledgment for each transmission that arrived, one round trip later.
///
/// So the acknowledgment of a transmission shows that those before it, not acknowledged, are lost: RACK (RFC 8985) with
/// no allowance for reordering, on selective acknowledgments (RFC 2018).
#[derive(Debug, Default)]
pub(super) struct Flight {
    round_trip: Duration,
    transmissions: u64,
    /// Arrived, not yet acknowledged.
    arrived: Fifo<Transmission>,
    /// Lost, not yet known to be.
    missing: Fifo<Transmission>,
    /// Segments known to be lost, to be sent again from the first on.
    lost: BinaryHeap<Reverse<u64>>,
}

/// A segment, sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transmission {
    /// Counts all transmissions of the flow.
    pub(super) number: u64,
    pub(super) segment: u64,
    at: Duration,
}

/// Acknowledgment of one transmission.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Acknowledgment {
    pub(super) of: Transmission,
    /// The last of the segments that it shows to be lost.
    pub(super) last_lost: Option<u64>,
}

impl Flight {
    pub(super) fn new(round_trip: Duration) -> Self {
        Self { round_trip, ..Self::default() }
    }

    /// Sends `segment`; returns the number of the transmission.
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

    /// Transmissions not acknowledged and not known to be lost ("pipe" in RFC 6675).
    pub(super) fn outstanding(&self) -> usize {
        self.arrived.len() + self.missing.len()
    }

    /// Segments sent that are not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.outstanding() + self.lost.len()
    }

    pub(super) fn next_acknowledgment(&self) -> Option<Duration> {
        self.arrived.front().map(|transmission| transmission.at.saturating_add(self.round_trip))
    }

    /// Takes the next acknowledgment in.
    pub(super) fn acknowledge(&mut self) -> Option<Acknowledgment> {
        let of = self.arrived.pop_front()?;
        let last_lost = self.lose(|missing| missing.number < of.number);
        Some(Acknowledgment { of, last_lost })
    }

    /// Takes as lost all that should have been acknowledged by `now`.
    pub(super) fn give_up(&mut self, now: Duration) {
        let round_trip = self.round_trip;
        self.lose(|missing| missing.at.saturating_add(round_trip) <= now);
    }

    /// The first ones missing, as long as `known`, are now known to be lost; returns the last segment among them.
    fn lose(&mut self, known: impl FnMut(&Transmission) -> bool) -> Option<u64> {
        let count = self.missing.partition_point(known);
        let mut last = None;
        for missing in self.missing.drain(..count) {
            self.lost.push(Reverse(missing.segment));
            last = last.max(Some(missing.segment));
        }
        last
    }

    /// The first segment known to be lost, to be sent again.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        self.lost.pop().map(|Reverse(segment)| segment)
    }

    /// The segment of the last transmission that is missing, to be sent again in its place.
    pub(super) fn take_last_missing(&mut self) -> Option<u64> {
        self.missing.pop_back().map(|missing| missing.segment)
    }
}
