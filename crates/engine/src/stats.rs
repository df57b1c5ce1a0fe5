//! Counters of the actions of faults. They are atomic, so that updates do not block.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use crate::journal::nanos;

/// Parameters of the histograms: nanoseconds accurate to 1.6 %, up to 2^42 ns (73 minutes). Longer times
/// count as 2^42 ns.
const GROUPING_POWER: u8 = 6;
const MAX_VALUE_POWER: u8 = 42;
/// Minimum time in which a bandwidth must have been the limit before its rate is reported. In a shorter time,
/// the delays of a few chunks would distort the rate.
const MIN_LIMITED_TIME: Duration = Duration::from_millis(100);
const MAX_VALUE: u64 = (1 << MAX_VALUE_POWER) - 1;

/// Counters of one fault of a proxy.
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
    requested: AtomicHistogram,
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
            requested: histogram(),
            held: DurationCounters::new(),
            late: histogram(),
        }
    }

    /// Counts a session, or a client, that the fault was selected for.
    pub(crate) fn record_session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an action: a session closed or reset, an end held, a bit flipped, a segment delayed by jitter
    /// or a slice cut.
    pub(crate) fn record_action(&self) {
        self.actions.fetch_add(1, Ordering::Relaxed);
    }

    /// Records an effect that is not counted, or not yet: a closed port, held data or a client that waits.
    pub(crate) fn record_effect(&self) {
        // Most calls are not the first, and a load is cheaper than a store.
        if !self.has_affected.load(Ordering::Relaxed) {
            self.has_affected.store(true, Ordering::Relaxed);
        }
    }

    /// Counts a delay that was drawn.
    pub(crate) fn record_requested(&self, delay: Duration) {
        add(&self.requested, delay, 1);
    }

    /// Counts a chunk that was held for `held` and released `late` after it was due.
    pub(crate) fn record_held(&self, held: Duration, late: Duration) {
        self.held.record(held);
        add(&self.late, late, 1);
    }

    /// Counts bytes that passed a bandwidth, whether it limited them or not.
    pub(crate) fn record_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that passed while the bandwidth was the limit, and the time that they took.
    pub(crate) fn record_limited(&self, bytes: u64, time: Duration) {
        self.limited_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.limited_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Restarts the measurement of the rate, because the configured rate has changed.
    pub(crate) fn restart_rate(&self) {
        self.limited_bytes.store(0, Ordering::Relaxed);
        self.limited_nanos.store(0, Ordering::Relaxed);
    }

    /// Counts segments that were sent, `lost` of which were lost and are sent again.
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
            used_up: false,
            delay: Quantiles::from_histogram(&held.histogram),
            held,
            requested_delay: Quantiles::from_histogram(&self.requested.load()),
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
        self.record_each(time, 1);
    }

    /// Counts a duration this number of times.
    pub(crate) fn record_each(&self, time: Duration, times: u64) {
        add(&self.histogram, time, times);
        self.nanos.fetch_add(nanos(time).saturating_mul(times), Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> DurationHistogram {
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        DurationHistogram { histogram: self.histogram.load(), sum }
    }

    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        Quantiles::from_histogram(&self.histogram.load())
    }
}

fn add(histogram: &AtomicHistogram, time: Duration, times: u64) {
    // Values up to `MAX_VALUE` always fit.
    let _ = histogram.add(nanos(time).min(MAX_VALUE), times);
}

/// Snapshot of the counters of a fault.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Number of sessions that the fault was selected for.
    pub sessions: u64,
    /// Number of actions: sessions closed or reset, ends held, bits flipped, slices cut and segments delayed
    /// by jitter.
    pub actions: u64,
    /// True if the fault had an effect that is not counted: it closed the port, made data wait for a
    /// bandwidth, held data of a request or of a session that it was to end later, or made a client wait for its connection to the
    /// upstream.
    pub has_affected: bool,
    /// True if the fault has acted on as many sessions or requests as its [`Selection`](crate::Selection)
    /// allows. It still acts on those that are open.
    pub used_up: bool,
    /// Delays that were drawn, if any.
    pub requested_delay: Option<Quantiles>,
    /// Hold times of chunks, including the wait for earlier chunks.
    pub delay: Option<Quantiles>,
    /// Time from when a chunk was due until its release.
    pub error: Option<Quantiles>,
    /// Number of bytes that passed a bandwidth, whether they had to wait or not.
    pub bytes: u64,
    /// Throughput in bytes per second while the bandwidth was the limit, since its rate last changed. `None`
    /// if that time was less than 100 ms.
    pub rate: Option<f64>,
    /// Histogram of the durations in [`delay`](Self::delay).
    pub held: DurationHistogram,
    /// Number of segments that the simulated sender sent.
    pub segments: u64,
    /// Number of segments that were lost.
    pub lost: u64,
    /// Ratio of lost segments.
    pub loss_share: Option<f64>,
}

impl FaultStats {
    /// Returns the measurements with an empty histogram [`held`](Self::held), because a full one takes 19 kB.
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

    /// Returns the exact sum of the durations.
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

    /// Returns the quantiles, or `None` if the histogram is empty.
    pub fn quantiles(&self) -> Option<Quantiles> {
        Quantiles::from_histogram(&self.histogram)
    }

    /// Returns the number of durations that are at most `bound`.
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
    /// Returns `None` if the histogram is empty.
    fn from_histogram(histogram: &Histogram) -> Option<Self> {
        let count = histogram.as_slice().iter().sum();
        let at = |quantile| {
            let bucket = histogram.quantile_bucket(quantile).ok()??;
            Some(Duration::from_nanos(bucket.start().midpoint(bucket.end())))
        };
        Some(Self { count, p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

/// Counts the bytes that faults receive and release. The counters are relaxed atomics, so a reader may see
/// one change before another.
#[derive(Debug, Default)]
pub(crate) struct FlowCounters {
    received: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    byte_micros: AtomicU64,
}

/// Bytes that faults have held in one direction, summed over all sessions of a proxy since the start of the
/// run. Bytes that pass while no fault is on do not count.
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
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that were passed on. `byte_micros` is the sum of their hold times.
    pub(crate) fn on_delivered(&self, bytes: usize, byte_micros: u64) {
        self.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
        self.byte_micros.fetch_add(byte_micros, Ordering::Relaxed);
    }

    /// Counts bytes that were discarded, or lost with their session.
    pub(crate) fn on_lost(&self, bytes: usize) {
        self.lost.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> FlowStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (delivered, lost) = (load(&self.delivered), load(&self.lost));
        let received = load(&self.received).max(delivered + lost);
        let byte_seconds = load(&self.byte_micros) as f64 / 1e6;
        FlowStats { received, delivered, held: received - delivered - lost, byte_seconds }
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
