//! Amounts of the measurements.

use std::time::Duration;

/// Amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// Number of measurements of each contender.
    pub(super) rounds: usize,
    /// Number of measurements with many sessions, which take longer and vary less.
    pub(super) long_rounds: usize,
    /// Number of bytes that a stream transfers.
    pub(super) bulk_bytes: u64,
    /// Number of bytes that a stream transfers in JSON.
    pub(super) json_bytes: u64,
    pub(super) pings: usize,
    pub(super) warm_up_pings: usize,
    /// Number of concurrent busy streams, or of idle ones.
    pub(super) sessions: usize,
    /// Time for which many streams are measured.
    pub(super) watching: Duration,
    /// Number of sessions that are opened and closed.
    pub(super) churned: usize,
    /// Time for the programs to release the resources of the sessions.
    pub(super) giving_back: Duration,
}

pub(super) const FULL: Scale = Scale {
    rounds: 5,
    long_rounds: 3,
    bulk_bytes: 1 << 30,
    json_bytes: 512 << 20,
    pings: 20_000,
    warm_up_pings: 2_000,
    sessions: 1_000,
    watching: Duration::from_secs(10),
    churned: 10_000,
    giving_back: Duration::from_secs(25),
};

pub(super) const QUICK: Scale = Scale {
    rounds: 3,
    long_rounds: 1,
    bulk_bytes: 256 << 20,
    json_bytes: 128 << 20,
    pings: 4_000,
    warm_up_pings: 500,
    sessions: 1_000,
    watching: Duration::from_secs(4),
    churned: 2_000,
    giving_back: Duration::from_secs(15),
};
