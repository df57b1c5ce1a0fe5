//! What a fault has done, counted while it runs: atomics only, so that nobody waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use crate::effect::Effect;
use crate::journal::nanos;

/// Nanoseconds to within 1.6 %, up to 2^42 ns (73 minutes); longer counts as that.
const GROUPING_POWER: u8 = 6;
const MAX_VALUE_POWER: u8 = 42;
const LONGEST: u64 = (1 << MAX_VALUE_POWER) - 1;

/// The counters of one fault of a proxy.
#[derive(Debug)]
pub(crate) struct Stats {
    sessions: AtomicU64,
    actions: AtomicU64,
    bytes: AtomicU64,
    busy: AtomicU64,
    segments: AtomicU64,
    lost: AtomicU64,
    asked: AtomicHistogram,
    held: AtomicHistogram,
    late: AtomicHistogram,
    held_nanos: AtomicU64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        let config = Config::new(GROUPING_POWER, MAX_VALUE_POWER).expect("the powers fit each other");
        let histogram = || AtomicHistogram::with_config(&config);
        Self {
            sessions: AtomicU64::new(0),
            actions: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            asked: histogram(),
            held: histogram(),
            late: histogram(),
            held_nanos: AtomicU64::new(0),
        }
    }

    /// A session, or a client, was picked for it.
    pub(crate) fn session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// It did what it does once: closed, reset, held an end, flipped a bit, jittered, sliced.
    pub(crate) fn acted(&self) {
        self.actions.fetch_add(1, Ordering::Relaxed);
    }

    /// A delay was drawn.
    pub(crate) fn asked(&self, delay: Duration) {
        add(&self.asked, delay);
    }

    /// A piece was held for `held`, and let go `late` after it was due.
    pub(crate) fn held(&self, held: Duration, late: Duration) {
        add(&self.held, held);
        self.held_nanos.fetch_add(nanos(held), Ordering::Relaxed);
        add(&self.late, late);
    }

    /// Bytes left in `busy` time.
    pub(crate) fn moved(&self, bytes: usize, busy: Duration) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.busy.fetch_add(nanos(busy), Ordering::Relaxed);
    }

    /// Segments were sent, `lost` of them to be sent again.
    pub(crate) fn sent(&self, segments: u64, lost: u64) {
        self.segments.fetch_add(segments, Ordering::Relaxed);
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn figures(&self) -> Figures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rate = |bytes: u64, busy: u64| (busy > 0).then(|| bytes as f64 / (busy as f64 / 1e9));
        let segments = count(&self.segments);
        let held = Delays {
            histogram: self.held.load(),
            sum: Duration::from_nanos(self.held_nanos.load(Ordering::Relaxed)),
        };
        Figures {
            sessions: count(&self.sessions),
            actions: count(&self.actions),
            delay: Quantiles::of(&held.histogram),
            held,
            asked_delay: Quantiles::of(&self.asked.load()),
            error: Quantiles::of(&self.late.load()),
            rate: rate(count(&self.bytes), count(&self.busy)),
            segments,
            lost: count(&self.lost),
            loss_share: (segments > 0).then(|| count(&self.lost) as f64 / segments as f64),
        }
    }
}

fn add(histogram: &AtomicHistogram, time: Duration) {
    // Fails for values beyond the longest only.
    let _ = histogram.increment(nanos(time).min(LONGEST));
}

/// What a fault has done so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Sessions it was drawn for.
    pub sessions: u64,
    /// Times it did what it does: sessions closed or reset, ends held, bits flipped, slices cut, moments jittered.
    pub actions: u64,
    /// Delays drawn, if any.
    pub asked_delay: Option<Quantiles>,
    /// How long pieces were really held by it, waiting for those before them included.
    pub delay: Option<Quantiles>,
    /// How much later than due they were let go.
    pub error: Option<Quantiles>,
    /// Bytes a second while bytes waited for it.
    pub rate: Option<f64>,
    /// As [`delay`](Self::delay), all of them.
    pub held: Delays,
    /// Segments that its simulated sender sent.
    pub segments: u64,
    /// Those of them that were lost.
    pub lost: u64,
    /// The share of those that was lost.
    pub loss_share: Option<f64>,
}

impl Figures {
    /// How often a fault with this effect did what it does; never less than before.
    ///
    /// | effect | counted |
    /// |---|---|
    /// | latency | delays drawn |
    /// | packet loss | segments lost |
    /// | bandwidth, blackhole | sessions: they act all the time |
    /// | others | [`actions`](Self::actions) |
    pub fn applied(&self, effect: &Effect) -> u64 {
        match effect {
            Effect::Latency { .. } => self.asked_delay.map_or(0, |drawn| drawn.count),
            Effect::PacketLoss { .. } => self.lost,
            Effect::Bandwidth { .. } | Effect::Blackhole { .. } => self.sessions,
            _ => self.actions,
        }
    }
}

/// A number of durations, to within 1.6 %; longer ones than 73 minutes count as that.
#[derive(Debug, Clone, PartialEq)]
pub struct Delays {
    histogram: Histogram,
    sum: Duration,
}

impl Delays {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.histogram.as_slice().iter().sum()
    }

    /// All of them together, exactly.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// How many are at most that long.
    pub fn count_within(&self, bound: Duration) -> u64 {
        let bound = nanos(bound);
        self.histogram
            .into_iter()
            .take_while(|bucket| bucket.end() <= bound)
            .map(|bucket| bucket.count())
            .sum()
    }
}

/// Of a number of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// How many durations there were.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
}

impl Quantiles {
    /// `None` without any duration.
    fn of(histogram: &Histogram) -> Option<Self> {
        let count = histogram.as_slice().iter().sum();
        let at = |quantile| {
            let bucket = histogram.quantile_bucket(quantile).ok()??;
            Some(Duration::from_nanos(bucket.start().midpoint(bucket.end())))
        };
        Some(Self { count, p50: at(0.5)?, p99: at(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay::Delay;

    #[test]
    fn what_a_fault_has_applied_never_shrinks() {
        let latency = Effect::Latency { delay: Delay::Constant(Duration::ZERO), once: false };
        let effects = [latency, Effect::LimitData { bytes: 1 }, Effect::Blackhole { discard: false }];
        let stats = Stats::new();
        let applied = || effects.each_ref().map(|effect| stats.figures().applied(effect));
        stats.session();
        stats.session();
        assert_eq!(applied(), [0, 0, 2]);
        stats.asked(Duration::ZERO);
        stats.acted();
        assert_eq!(applied(), [1, 1, 2]);
    }
}
