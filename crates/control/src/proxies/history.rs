//! Statistics of the last ten minutes of each proxy, for the page and other live views.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_engine::{DurationHistogram, Faults};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::entry::Entry;
use super::{ChangeError, Proxies, Proxy, TimesState, millis};

/// Interval between samples.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of samples of a proxy.
const MAX_SAMPLES: usize = 600;

/// Number of samples that [`RecentState`] covers.
const RECENT_SAMPLES: usize = 5;

/// Statistics of a proxy in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct Sample {
    /// End of the interval, as time since the start of the run.
    pub at_ms: u64,
    pub bytes_to_upstream: u64,
    pub bytes_to_client: u64,
    /// Quantiles of the times for which faults held data. `None` if they did not hold any.
    pub latency_p50_ms: Option<f64>,
    pub latency_p99_ms: Option<f64>,
    /// Number of sessions that began.
    pub sessions: u64,
    /// Number of sessions that failed or were not opened.
    pub sessions_failed: u64,
    /// Number of sessions that are open at the end of the interval.
    pub sessions_active: usize,
}

/// Statistics of a proxy in the last five seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct RecentState {
    pub bytes_per_second_to_upstream: f64,
    pub bytes_per_second_to_client: f64,
    /// Times for which faults held data in both directions.
    pub latency_ms: Option<TimesState>,
}

impl RecentState {
    fn between(before: &Totals, now: &Totals) -> Self {
        let seconds = now.at.saturating_sub(before.at).as_secs_f64();
        let rate = |before: u64, now: u64| {
            if seconds > 0.0 { now.saturating_sub(before) as f64 / seconds } else { 0.0 }
        };
        Self {
            bytes_per_second_to_upstream: rate(before.bytes_to_upstream, now.bytes_to_upstream),
            bytes_per_second_to_client: rate(before.bytes_to_client, now.bytes_to_client),
            latency_ms: latency_between(before, now),
        }
    }
}

/// Totals of a proxy since its creation.
#[derive(Debug)]
pub(super) struct Totals {
    at: Duration,
    bytes_to_upstream: u64,
    bytes_to_client: u64,
    sessions: u64,
    failed: u64,
    active: usize,
    delays: Arc<DurationHistogram>,
}

impl Totals {
    /// Returns the totals of a new proxy.
    pub(super) fn new(faults: &Faults, at: Duration) -> Self {
        let delays = Arc::new(faults.delays());
        Self { at, bytes_to_upstream: 0, bytes_to_client: 0, sessions: 0, failed: 0, active: 0, delays }
    }

    fn of(proxy: &Proxy, at: Duration) -> Self {
        let totals = proxy.watch.live().stats();
        Self {
            at,
            bytes_to_upstream: totals.bytes.to_upstream,
            bytes_to_client: totals.bytes.to_downstream,
            sessions: totals.sessions,
            failed: totals.ends.errors(),
            active: totals.active,
            delays: Arc::new(proxy.engine.delays()),
        }
    }
}

/// The latest samples of a proxy.
#[derive(Debug)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    /// Totals at the end of the latest samples, the oldest first. It is never empty.
    totals: VecDeque<Totals>,
    recent: RecentState,
}

impl History {
    pub(super) fn new(start: Totals) -> Self {
        Self { samples: VecDeque::new(), totals: VecDeque::from([start]), recent: RecentState::default() }
    }

    /// Adds a sample of the interval since the previous totals.
    pub(super) fn push(&mut self, mut now: Totals) {
        let Some(before) = self.totals.back() else { return };
        if now.delays.count() == before.delays.count() {
            // Histograms are large, so an idle proxy shares one among its samples.
            now.delays = Arc::clone(&before.delays);
        }
        let latency = latency_between(before, &now);
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        if self.samples.len() == self.samples.capacity() {
            // Growth without a limit would reserve memory for 1,024.
            let more = self.samples.len().max(8).min(MAX_SAMPLES - self.samples.len());
            self.samples.reserve_exact(more);
        }
        self.samples.push_back(Sample {
            at_ms: millis(now.at),
            bytes_to_upstream: now.bytes_to_upstream.saturating_sub(before.bytes_to_upstream),
            bytes_to_client: now.bytes_to_client.saturating_sub(before.bytes_to_client),
            latency_p50_ms: latency.map(|latency| latency.p50),
            latency_p99_ms: latency.map(|latency| latency.p99),
            sessions: now.sessions.saturating_sub(before.sessions),
            sessions_failed: now.failed.saturating_sub(before.failed),
            sessions_active: now.active,
        });
        self.totals.push_back(now);
        if self.totals.len() > RECENT_SAMPLES + 1 {
            self.totals.pop_front();
        }
        if let (Some(before), Some(now)) = (self.totals.front(), self.totals.back()) {
            self.recent = RecentState::between(before, now);
        }
    }

    /// Returns the statistics of the latest samples.
    pub(super) fn recent(&self) -> RecentState {
        self.recent
    }

    /// Returns the latest `count` samples, the oldest first.
    pub(super) fn latest(&self, count: usize) -> Vec<Sample> {
        self.samples.iter().skip(self.samples.len().saturating_sub(count)).copied().collect()
    }
}

fn latency_between(before: &Totals, now: &Totals) -> Option<TimesState> {
    if Arc::ptr_eq(&before.delays, &now.delays) {
        return None;
    }
    now.delays.since(&before.delays).quantiles().map(TimesState::from_quantiles)
}

/// The latest samples of a proxy, as in `GET /history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct ProxyHistory {
    pub name: String,
    /// The oldest first.
    pub samples: Vec<Sample>,
}

impl Proxies {
    /// Takes a sample of each proxy every second, for [`samples`](Self::samples) and [`state`](Self::state).
    /// Never returns. If several callers do this, only one of them takes samples.
    ///
    /// # Cancel safety
    /// Dropping the future stops the sampling. Samples that were taken are kept.
    pub async fn keep_history(&self) -> Infallible {
        let _turn = self.inner.sampling.lock().await;
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is immediate.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.sample();
        }
    }

    fn sample(&self) {
        let now = self.engine().now();
        // Nothing is locked while the sessions are counted, which takes time.
        let all = self.all().into_iter().map(|proxy| (Totals::of(&proxy, now), proxy));
        let all: Vec<_> = all.collect();
        let mut entries = self.entries();
        for (totals, proxy) in all {
            let entry = entries.get_mut(&proxy.name);
            // A new proxy with the same name has other counters.
            if let Some(entry) = entry.filter(|entry| entry.watch.is_same(&proxy.watch)) {
                entry.history.push(totals);
            }
        }
    }

    /// Returns the samples of a proxy, the oldest first. At most 600 are kept.
    ///
    /// # Errors
    /// Returns [`ChangeError::NoSuchProxy`] if there is no such proxy.
    pub fn samples(&self, name: &str) -> Result<Vec<Sample>, ChangeError> {
        self.entries()
            .get(name)
            .map(|entry| entry.history.latest(MAX_SAMPLES))
            .ok_or(ChangeError::NoSuchProxy)
    }

    /// Returns the latest `count` samples of each proxy, in the order of their names.
    pub fn latest_samples(&self, count: usize) -> Vec<ProxyHistory> {
        let entries = self.entries();
        let of = |(name, entry): (&String, &Entry)| {
            let samples = entry.history.latest(count);
            ProxyHistory { name: name.clone(), samples }
        };
        entries.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_proxy_engine::{Engine, Settings};

    fn totals(seconds: u64, bytes: u64) -> Totals {
        let faults = Engine::new(Settings::default()).proxy("p", Vec::new());
        Totals {
            bytes_to_upstream: bytes,
            bytes_to_client: 2 * bytes,
            sessions: seconds,
            failed: seconds / 2,
            active: 1,
            ..Totals::new(&faults, Duration::from_secs(seconds))
        }
    }

    #[test]
    fn samples_are_of_their_interval_and_recent_figures_of_five() {
        let mut history = History::new(totals(0, 0));
        (1..=10).for_each(|second| history.push(totals(second, second * second * 100)));
        let last = history.latest(2);
        assert_eq!((last[0].at_ms, last[0].bytes_to_upstream), (9000, 1700));
        assert_eq!((last[1].bytes_to_upstream, last[1].bytes_to_client), (1900, 3800));
        assert_eq!((last[0].sessions, last[0].sessions_failed, last[1].sessions_failed), (1, 0, 1));
        // These are the seconds from 5 to 10.
        assert_eq!(history.recent().bytes_per_second_to_upstream, 1500.0);
        assert_eq!((last[1].latency_p50_ms, history.recent().latency_ms), (None, None));
    }

    #[test]
    fn ten_minutes_are_kept() {
        let mut history = History::new(totals(0, 0));
        (1..=700).for_each(|second| history.push(totals(second, 0)));
        let samples = history.latest(usize::MAX);
        assert_eq!((samples.len(), samples[0].at_ms, samples[599].at_ms), (600, 101_000, 700_000));
        assert_eq!(history.totals.len(), RECENT_SAMPLES + 1);
        assert_eq!(history.samples.capacity(), MAX_SAMPLES, "a server may have many proxies");
    }
}
