//! Round trips, as the receiver of data measures them: from granting credit to the first byte that required it.
//!
//! This is the receiver-side estimate of dynamic right-sizing (Fisk and Feng 2001) and rLEDBAT (RFC 9840). It is never
//! too short. It is too long if the sender does not have data to send.

use std::time::Duration;

/// Number of round trips whose highest rate is used.
const RATE_SAMPLES: usize = 4;

/// Result of one round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundTrip {
    pub(super) rtt: Duration,
    /// True if the sender used up its credit, so that the credit limited its rate.
    pub(super) is_limited: bool,
    /// True if no other data of the session was in flight.
    pub(super) is_alone: bool,
}

#[derive(Debug)]
pub(super) struct Round {
    started: Duration,
    /// The first sequence number that requires the credit.
    needs: u64,
    is_limited: bool,
    is_alone: bool,
}

impl Round {
    /// Starts a round trip. Credit beyond `limit` is granted now.
    pub(super) fn start(now: Duration, limit: u64, got: u64) -> Self {
        let is_alone = got >= limit;
        Self { started: now, needs: limit, is_limited: is_alone, is_alone }
    }

    /// Records that everything below `got` has arrived. Returns the round trip if it ends now.
    pub(super) fn on_arrival(&mut self, now: Duration, got: u64) -> Option<RoundTrip> {
        // A frame that ends where the credit ended was limited by it.
        self.is_limited |= got == self.needs;
        (got > self.needs).then(|| RoundTrip {
            rtt: now.saturating_sub(self.started),
            is_limited: self.is_limited,
            is_alone: self.is_alone,
        })
    }
}

/// Returns the rate of these bytes in this time.
pub(super) fn bytes_per_second(bytes: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bytes) * 1_000_000 / time.as_micros().max(1)).unwrap_or(u64::MAX)
}

/// Returns the number of bytes in this time at this rate.
pub(super) fn bytes_in(bytes_per_second: u64, time: Duration) -> usize {
    usize::try_from(u128::from(bytes_per_second) * time.as_micros() / 1_000_000).unwrap_or(usize::MAX)
}

/// Rates of the latest round trips.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// In bytes per second.
    samples: [u64; RATE_SAMPLES],
    next: usize,
}

impl Rates {
    /// Adds a rate. Returns true if the rate still grows as it does while no data queues.
    pub(super) fn push(&mut self, bytes: u64, time: Duration) -> bool {
        let rate = bytes_per_second(bytes, time);
        let highest = self.highest();
        self.samples[self.next] = rate;
        self.next = (self.next + 1) % RATE_SAMPLES;
        rate / 5 * 4 > highest
    }

    pub(super) fn highest(&self) -> u64 {
        self.samples.into_iter().max().unwrap_or(0)
    }
}
