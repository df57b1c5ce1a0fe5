//! How much is measured.

use std::time::Duration;

/// The amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// How often each peer has its turn.
    pub(super) rounds: usize,
    /// The same for round trips, which are soon measured and depend on where the scheduler puts the processes.
    pub(super) short_rounds: usize,
    /// The same for measurements with many sessions, which take longer and scatter less.
    pub(super) long_rounds: usize,
    /// What a bulk measurement moves, over all its streams.
    pub(super) bulk_bytes: u64,
    pub(super) pings: usize,
    pub(super) warm_up_pings: usize,
    /// How long connections are opened and closed for a rate.
    pub(super) connecting: Duration,
    /// The sessions whose system calls are counted.
    pub(super) counted_sessions: u32,
    pub(super) idle_sessions: usize,
    /// How long the sessions idle before the memory is read.
    pub(super) idling: Duration,
    /// How long their proxy has afterwards to give back what they took: allocators return memory over ten seconds
    /// and more.
    pub(super) giving_back: Duration,
    /// The numbers of sessions the growth section steps through.
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
