//! Amounts of the measurements.

use std::time::Duration;

/// Amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// Number of measurements of each peer.
    pub(super) rounds: usize,
    /// Number of measurements of round trips, which are fast and depend on where the scheduler runs the
    /// processes.
    pub(super) short_rounds: usize,
    /// Number of measurements with many sessions, which take longer and vary less.
    pub(super) long_rounds: usize,
    /// Number of bytes of a bulk measurement, over all its streams.
    pub(super) bulk_bytes: u64,
    pub(super) pings: usize,
    pub(super) warm_up_pings: usize,
    /// Time for which connections are opened and closed to measure a rate.
    pub(super) connecting: Duration,
    /// Number of sessions whose system calls are counted.
    pub(super) counted_sessions: u32,
    pub(super) idle_sessions: usize,
    /// Time for which the sessions are idle before the memory is read.
    pub(super) idling: Duration,
    /// Time for the proxy to release memory afterwards. Allocators return memory over ten seconds and more.
    pub(super) giving_back: Duration,
    /// Numbers of sessions in the section `growth`.
    pub(super) growth: &'static [usize],
}

pub(super) const FULL: Scale = Scale {
    rounds: 5,
    short_rounds: 15,
    long_rounds: 1,
    bulk_bytes: 4_000_000_000,
    pings: 20_000,
    warm_up_pings: 2_000,
    connecting: Duration::from_secs(2),
    counted_sessions: 400,
    idle_sessions: 9_000,
    idling: Duration::from_secs(2),
    giving_back: Duration::from_secs(25),
    growth: &[1, 8, 100, 1_000, 9_000],
};

pub(super) const QUICK: Scale = Scale {
    rounds: 1,
    short_rounds: 3,
    long_rounds: 1,
    bulk_bytes: 400_000_000,
    pings: 4_000,
    warm_up_pings: 500,
    connecting: Duration::from_millis(500),
    counted_sessions: 400,
    idle_sessions: 1_000,
    idling: Duration::from_secs(1),
    giving_back: Duration::from_secs(15),
    growth: &[1, 100, 1_000],
};
