//! How much is measured.

use std::time::Duration;

/// The amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// How often each path has its turn.
    pub(super) rounds: usize,
    /// The same for the sections that take seconds a turn.
    pub(super) long_rounds: usize,
    /// How long messages are sent for a one-way delay.
    pub(super) messages: Duration,
    /// How long a limited flow is watched.
    pub(super) limited: Duration,
    /// How long a lossy flow is watched.
    pub(super) lossy: Duration,
    /// What a measurement of processor time moves.
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
