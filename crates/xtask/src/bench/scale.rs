//! How much is measured.

use std::time::Duration;

/// The amounts of one run.
#[derive(Debug)]
pub(super) struct Scale {
    /// How often each peer has its turn.
    pub(super) rounds: usize,
    /// The same for measurements with many sessions, which take longer and scatter less.
    pub(super) long_rounds: usize,
    /// What a bulk measurement moves, over all its streams.
    pub(super) bulk_bytes: u64,
    pub(super) pings: usize,
    pub(super) warm_up_pings: usize,
    /// How long connections are opened and closed for a rate.
    pub(super) connecting: Duration,
    pub(super) idle_sessions: usize,
    /// How long the sessions idle, and how long their proxy has afterwards to give back what they took.
    pub(super) idling: Duration,
    /// The numbers of sessions the growth section steps through.
    pub(super) growth: &'static [usize],
}

pub(super) const FULL: Scale = Scale {
    rounds: 7,
    long_rounds: 3,
    bulk_bytes: 4_000_000_000,
    pings: 20_000,
    warm_up_pings: 2_000,
    connecting: Duration::from_secs(3),
    idle_sessions: 9_000,
    idling: Duration::from_secs(4),
    growth: &[1, 8, 100, 1_000, 9_000],
};

pub(super) const QUICK: Scale = Scale {
    rounds: 1,
    long_rounds: 1,
    bulk_bytes: 400_000_000,
    pings: 4_000,
    warm_up_pings: 500,
    connecting: Duration::from_millis(500),
    idle_sessions: 1_000,
    idling: Duration::from_secs(1),
    growth: &[1, 100, 1_000],
};
