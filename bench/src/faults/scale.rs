//! Amounts of the measurements.

use std::time::Duration;

/// Amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// Number of measurements of each path.
    pub(super) rounds: usize,
    /// Number of measurements in sections in which a measurement takes seconds.
    pub(super) long_rounds: usize,
    /// Time for which messages are sent to measure one-way delays.
    pub(super) messages: Duration,
    /// Time for which a limited flow is measured.
    pub(super) limited: Duration,
    /// Time for which a lossy flow is measured.
    pub(super) lossy: Duration,
    /// Number of bytes in a measurement of processor time.
    pub(super) cpu_bytes: u64,
}

pub(super) const FULL: Scale = Scale {
    rounds: 5,
    long_rounds: 3,
    messages: Duration::from_secs(4),
    limited: Duration::from_secs(5),
    lossy: Duration::from_secs(20),
    cpu_bytes: 4_000_000_000,
};

pub(super) const QUICK: Scale = Scale {
    rounds: 1,
    long_rounds: 1,
    messages: Duration::from_secs(1),
    limited: Duration::from_secs(2),
    lossy: Duration::from_secs(5),
    cpu_bytes: 400_000_000,
};
