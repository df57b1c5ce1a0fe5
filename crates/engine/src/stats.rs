//! Counters of the actions of faults. They are atomic, so that updates do not block.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use crate::journal::nanos;

/// Nanoseconds to within 1.6 %, up to 2^42 ns (73 minutes); longer counts as that.
const GROUPING_POWER: u8 = 6;
const MAX_VALUE_POWER: u8 = 42;
/// The least time in which a bandwidth was the limit for a rate to be measured: a shorter one is a few chunks, whose delays
/// would be most of it.
const MIN_LIMITED_TIME: Duration = Duration::from_millis(100);
const MAX_VALUE: u64 = (1 << MAX_VALUE_POWER) - 1;

/// The counters of one fault of a proxy.
#[derive(Debug)]
pub(crate) struct FaultCounters {
    sessions: AtomicU64,
    actions: AtomicU64,
    has_affected: AtomicBool,
    bytes: AtomicU64,
    limited_bytes: AtomicU64,
    limited_nanos: AtomicU64,
    segments: AtomicU64,
    lost: AtomicU64,
    asked: AtomicHistogram,
    held: DurationCounters,
    late: AtomicHistogram,
}

impl FaultCounters {
    pub(crate) fn new() -> Self {
        let config = Config::new(GROUPING_POWER, MAX_VALUE_POWER).expect("the powers fit each other");
        let histogram = || AtomicHistogram::with_config(&config);
        Self {
            sessions: AtomicU64::new(0),
            actions: AtomicU64::new(0),
            has_affected: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            limited_bytes: AtomicU64::new(0),
            limited_nanos: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            asked: histogram(),
            held: DurationCounters::new(),
            late: histogram(),
        }
    }

    /// A session, or a client, was picked for it.
    pub(crate) fn record_session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// It did what it does once: closed, reset, held an end, flipped a bit, jittered, sliced.
    pub(crate) fn record_action(&self) {
        self.actions.fetch_add(1, Ordering::Relaxed);
    }

    /// It affected something that is not counted: it closed the port, or held data.
    pub(crate) fn record_effect(&self) {
        // Most calls are not the first, and a store would be slower.
        if !self.has_affected.load(Ordering::Relaxed) {
            self.has_affected.store(true, Ordering::Relaxed);
        }
    }

    /// A delay was drawn.
    pub(crate) fn record_requested(&self, delay: Duration) {
        add(&self.asked, delay);
    }

    /// A chunk was held for `held`, and let go `late` after it was due.
    pub(crate) fn record_held(&self, held: Duration, late: Duration) {
        self.held.record(held);
        add(&self.late, late);
    }

    /// Bytes passed a bandwidth, limited by it or not.
    pub(crate) fn record_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes passed in a time in which the bandwidth was the limit.
    pub(crate) fn record_limited(&self, bytes: u64, time: Duration) {
        self.limited_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.limited_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Restarts the measurement of the rate, because the configured rate has changed.
    pub(crate) fn restart_rate(&self) {
        self.limited_bytes.store(0, Ordering::Relaxed);
        self.limited_nanos.store(0, Ordering::Relaxed);
    }

    /// Segments were sent, `lost` of them to be sent again.
    pub(crate) fn record_segments(&self, segments: u64, lost: u64) {
        self.segments.fetch_add(segments, Ordering::Relaxed);
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// Returns a snapshot of the counters.
    pub(crate) fn stats(&self) -> FaultStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let limited = Duration::from_nanos(count(&self.limited_nanos));
        let segments = count(&self.segments);
        let held = self.held.load();
        FaultStats {
            sessions: count(&self.sessions),
            actions: count(&self.actions),
            has_affected: self.has_affected.load(Ordering::Relaxed),
            delay: Quantiles::from_histogram(&held.histogram),
            held,
            requested_delay: Quantiles::from_histogram(&self.asked.load()),
            error: Quantiles::from_histogram(&self.late.load()),
            bytes: count(&self.bytes),
            rate: (limited >= MIN_LIMITED_TIME)
                .then(|| count(&self.limited_bytes) as f64 / limited.as_secs_f64()),
            segments,
            lost: count(&self.lost),
            loss_share: (segments > 0).then(|| count(&self.lost) as f64 / segments as f64),
        }
    }
}

/// Counts durations in a histogram.
#[derive(Debug)]
pub(crate) struct DurationCounters {
    histogram: AtomicHistogram,
    nanos: AtomicU64,
}

impl DurationCounters {
    pub(crate) fn new() -> Self {
        let config = Config::new(GROUPING_POWER, MAX_VALUE_POWER).expect("the powers fit each other");
        Self { histogram: AtomicHistogram::with_config(&config), nanos: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, time: Duration) {
        add(&self.histogram, time);
        self.nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> DurationHistogram {
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        DurationHistogram { histogram: self.histogram.load(), sum }
    }

    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        Quantiles::from_histogram(&self.histogram.load())
    }
}

fn add(histogram: &AtomicHistogram, time: Duration) {
    // Fails for values beyond the longest only.
    let _ = histogram.increment(nanos(time).min(MAX_VALUE));
}

/// Snapshot of the counters of a fault.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Sessions it was drawn for.
    pub sessions: u64,
    /// Times it did what it does: sessions closed or reset, ends held, bits flipped, slices cut, moments jittered.
    pub actions: u64,
    /// Whether it affected something that is not counted: it closed the port, made data wait for a bandwidth, or held data of a
    /// session that it was to end later.
    pub has_affected: bool,
    /// Delays drawn, if any.
    pub requested_delay: Option<Quantiles>,
    /// How long the fault held chunks, including the wait for earlier chunks.
    pub delay: Option<Quantiles>,
    /// How much later than due they were released.
    pub error: Option<Quantiles>,
    /// Bytes that passed a bandwidth, whether they had to wait or not.
    pub bytes: u64,
    /// Bytes per second in the time in which the bandwidth was the limit, since its rate last changed. `None` if that was less
    /// than 100 ms.
    pub rate: Option<f64>,
    /// Histogram of the durations in [`delay`](Self::delay).
    pub held: DurationHistogram,
    /// Segments that its simulated sender sent.
    pub segments: u64,
    /// Segments that were lost.
    pub lost: u64,
    /// Ratio of lost segments.
    pub loss_share: Option<f64>,
}

impl FaultStats {
    /// Returns the measurements with an empty histogram [`held`](Self::held), which would take 19 kB.
    #[must_use]
    pub fn without_histogram(self) -> Self {
        let histogram = Histogram::new(0, 1).expect("the powers fit each other");
        Self { held: DurationHistogram { histogram, sum: self.held.sum }, ..self }
    }
}

/// Histogram of durations, accurate to 1.6 %. Durations above 73 minutes count as 73 minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationHistogram {
    histogram: Histogram,
    sum: Duration,
}

impl DurationHistogram {
    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.histogram.as_slice().iter().sum()
    }

    /// All of them together, exactly.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the durations that were counted after `earlier`, a snapshot of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let histogram =
            self.histogram.wrapping_sub(&earlier.histogram).unwrap_or_else(|_| self.histogram.clone());
        Self { histogram, sum: self.sum.saturating_sub(earlier.sum) }
    }

    /// Returns the quantiles. `None` without any duration.
    pub fn quantiles(&self) -> Option<Quantiles> {
        Quantiles::from_histogram(&self.histogram)
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

/// Quantiles of a set of durations, accurate to 1.6 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quantiles {
    /// Number of durations.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 95th percentile.
    pub p95: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The largest duration.
    pub max: Duration,
}

impl Quantiles {
    /// `None` without any duration.
    fn from_histogram(histogram: &Histogram) -> Option<Self> {
        let count = histogram.as_slice().iter().sum();
        let at = |quantile| {
            let bucket = histogram.quantile_bucket(quantile).ok()??;
            Some(Duration::from_nanos(bucket.start().midpoint(bucket.end())))
        };
        Some(Self { count, p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

/// Counts the bytes that faults receive and release, with relaxed atomics: a reader may see one change before another.
#[derive(Debug, Default)]
pub(crate) struct FlowCounters {
    came: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    byte_micros: AtomicU64,
}

/// Bytes that faults have held, in one direction of all sessions of a proxy, since the start of the run. Bytes that pass while no
/// fault is on do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct FlowStats {
    /// Bytes that faults have received.
    pub received: u64,
    /// Bytes that faults have passed on.
    pub delivered: u64,
    /// Bytes that faults hold now. The remaining bytes were discarded, or lost with their session.
    pub held: u64,
    /// Time that faults held the delivered bytes, in seconds, summed over bytes and accurate to 0.1 ms per byte. Its increase
    /// divided by the number of bytes delivered in the same time is the mean added delay.
    pub byte_seconds: f64,
}

impl FlowCounters {
    pub(crate) fn on_received(&self, bytes: usize) {
        self.came.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Passed on, after `byte_micros` of holding all together.
    pub(crate) fn on_delivered(&self, bytes: usize, byte_micros: u64) {
        self.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
        self.byte_micros.fetch_add(byte_micros, Ordering::Relaxed);
    }

    /// Gone, but not passed on.
    pub(crate) fn on_lost(&self, bytes: usize) {
        self.lost.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> FlowStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (delivered, lost) = (load(&self.delivered), load(&self.lost));
        let came = load(&self.came).max(delivered + lost);
        let byte_seconds = load(&self.byte_micros) as f64 / 1e6;
        FlowStats { received: came, delivered, held: came - delivered - lost, byte_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay::Delay;
    use crate::effect::Effect;
    use crate::faults::{Blackhole, Latency, LimitData};

    #[test]
    fn a_rate_is_that_of_the_limited_time_and_needs_enough_of_it() {
        let stats = FaultCounters::new();
        stats.record_bytes(1_000_000);
        assert_eq!((stats.stats().bytes, stats.stats().rate), (1_000_000, None));
        stats.record_limited(990, Duration::from_millis(99));
        assert_eq!(stats.stats().rate, None);
        stats.record_limited(10, Duration::from_millis(1));
        assert_eq!(stats.stats().rate, Some(10_000.0));
        stats.restart_rate();
        assert_eq!((stats.stats().bytes, stats.stats().rate), (1_000_000, None));
    }

    #[test]
    fn durations_since_a_snapshot_are_those_counted_after_it() {
        let counters = DurationCounters::new();
        counters.record(Duration::from_secs(1));
        let earlier = counters.load();
        assert_eq!(counters.load().since(&earlier).quantiles(), None);
        counters.record(Duration::from_millis(1));
        let since = counters.load().since(&earlier);
        assert_eq!((since.count(), since.sum()), (1, Duration::from_millis(1)));
        let p99 = since.quantiles().expect("one was counted").p99;
        assert!(p99.abs_diff(Duration::from_millis(1)) < Duration::from_micros(20), "{p99:?}");
    }

    #[test]
    fn what_a_fault_has_applied_never_shrinks() {
        let latency = Effect::from(Latency { delay: Delay::Constant(Duration::ZERO), once: false });
        let effects = [latency, Effect::from(LimitData { bytes: 1 }), Effect::from(Blackhole::new(false))];
        let stats = FaultCounters::new();
        let applied = || effects.each_ref().map(|effect| stats.stats().applied(effect));
        stats.record_session();
        stats.record_session();
        assert_eq!(applied(), [0, 0, 2]);
        stats.record_requested(Duration::ZERO);
        stats.record_action();
        assert_eq!(applied(), [1, 1, 2]);
    }

    #[test]
    fn what_is_lost_is_neither_held_nor_delivered() {
        let meter = FlowCounters::default();
        meter.on_received(10);
        meter.on_delivered(6, 1_500_000);
        meter.on_lost(3);
        assert_eq!(meter.stats(), FlowStats { received: 10, delivered: 6, held: 1, byte_seconds: 1.5 });
    }
}
