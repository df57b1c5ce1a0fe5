//! Measurements of the network paths to peers. The sessions of a NATS connection share them.
//!
//! The sizes of all windows depend on the round-trip time of the empty path. A session that begins while data queues
//! cannot measure it, so the sessions with one peer process share it. It is confirmed as in BBR (draft-ietf-ccwg-bbr,
//! `ProbeRTT`): if no round trip was as short as the shortest for a while, all sessions of the connection let the queue
//! drain and measure again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::round::{RoundTrip, bytes_per_second};
use crate::link::MIN_MESSAGE;

/// Minimum round-trip time that windows assume. Processes on busy machines add about as much.
pub(super) const MIN_RTT: Duration = Duration::from_millis(5);
/// Time after which the shortest round trip is measured again unless one has confirmed it. It is the same for all, so
/// that connections that share a link without knowing it measure at the same time.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum time of a probe. Peers decide how long their round trips take.
const MAX_PROBE_TIME: Duration = Duration::from_secs(2);
/// Minimum time over which the rate of all sessions is measured.
const RATE_INTERVAL: Duration = Duration::from_millis(100);
/// Number of round trips over which the mean rate of the sessions is averaged.
const MEAN_TRIPS: u64 = 8;
/// Time for which a path counts as congested after it was congested.
const CONGESTION_MEMORY: Duration = Duration::from_secs(1);
/// Time for which longer messages are not tried after one was lost.
const LIMIT_MEMORY: Duration = Duration::from_secs(3600);
/// Time within which an end may report the loss of its connection after the message losses that this caused.
const OUTAGE_REPORT_DELAY: Duration = Duration::from_secs(5);

/// The time in which all sessions of a NATS connection let the queue drain.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// End of the probe in microseconds.
    end: AtomicU64,
}

impl Probe {
    pub(super) fn is_on(&self, now: Duration) -> bool {
        now < self.end()
    }

    fn end(&self) -> Duration {
        Duration::from_micros(self.end.load(Ordering::Relaxed))
    }

    fn extend(&self, end: Duration) {
        self.end.fetch_max(u64::try_from(end.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// State that the sessions with one peer process share. It is locked once per round trip of a session.
#[derive(Debug)]
pub(crate) struct PathState {
    inner: Mutex<Inner>,
    pub(super) probe: Arc<Probe>,
    /// Maximum size of a message that has arrived since the last loss, in bytes.
    max_message: AtomicUsize,
    /// Maximum size of a message that may be tried, in bytes.
    max_trial: AtomicUsize,
    /// True while a message longer than `max_message` is on its way.
    is_trial_on: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    /// Time when a trial was last lost.
    trial_lost: Duration,
    min_rtt: Option<Duration>,
    /// Time when a round trip was last about as short as `min_rtt`.
    confirmed: Duration,
    /// End of the last probe that was evaluated.
    probed: Duration,
    /// Shortest round trip of the probe.
    probe_min: Option<Duration>,
    congested: Option<Duration>,
    /// Bytes of all sessions since `since`.
    bytes: u64,
    since: Duration,
    rate: u64,
    mean_rate: Option<u64>,
}

/// Measurements of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    /// Round-trip time of the empty path.
    pub(super) min_rtt: Duration,
    /// Rate of all sessions in bytes per second.
    pub(super) rate: u64,
    /// Moving average of the rates of the sessions that their windows limit, in bytes per second.
    pub(super) mean_rate: u64,
}

impl PathState {
    pub(crate) fn new(probe: Arc<Probe>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            probe,
            max_message: AtomicUsize::new(MIN_MESSAGE),
            max_trial: AtomicUsize::new(usize::MAX),
            is_trial_on: AtomicBool::new(false),
        })
    }

    /// Records the beginning of a session. Some time after one was lost, longer messages are tried again.
    pub(super) fn on_session(&self, now: Duration) {
        if now > self.inner.lock().trial_lost + LIMIT_MEMORY {
            self.max_trial.store(usize::MAX, Ordering::Relaxed);
        }
    }

    /// Returns the maximum size of a message that is known to arrive, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message.load(Ordering::Relaxed)
    }

    /// Returns the maximum size of a message that is sent for the first time, in bytes.
    pub(super) fn max_new_message(&self) -> usize {
        let max_message = self.max_message();
        if self.is_trial_on.load(Ordering::Relaxed) {
            return max_message;
        }
        max_message.saturating_mul(2).min(self.max_trial.load(Ordering::Relaxed))
    }

    /// Returns true if a trial may begin. There is one at a time.
    pub(super) fn begin_trial(&self) -> bool {
        !self.is_trial_on.swap(true, Ordering::Relaxed)
    }

    /// Ends a trial without a result.
    pub(super) fn end_trial(&self) {
        self.is_trial_on.store(false, Ordering::Relaxed);
    }

    /// Records that the trial has arrived: messages may be as long as it was.
    pub(super) fn on_trial_arrived(&self, length: usize) {
        self.max_message.fetch_max(length, Ordering::Relaxed);
        self.end_trial();
    }

    /// Records that the trial was lost: the maximum size stays as it is.
    pub(super) fn on_trial_lost(&self, now: Duration) {
        self.inner.lock().trial_lost = now;
        self.max_trial.fetch_min(self.max_message(), Ordering::Relaxed);
        self.end_trial();
    }

    /// Records that the NATS connection of an end was lost. A trial that was lost with it may be repeated.
    pub(super) fn on_outage(&self, now: Duration) {
        if now < self.inner.lock().trial_lost + OUTAGE_REPORT_DELAY {
            self.max_trial.store(usize::MAX, Ordering::Relaxed);
        }
    }

    /// Records that a message was lost that was not longer than earlier ones. Messages are as short as possible until
    /// longer ones arrive.
    pub(super) fn on_loss(&self) {
        self.max_message.store(MIN_MESSAGE, Ordering::Relaxed);
    }

    /// Returns true if data has queued on the path recently.
    pub(super) fn is_congested(&self, now: Duration) -> bool {
        self.inner.lock().congested.is_some_and(|at| now <= at + CONGESTION_MEMORY)
    }

    /// Records a round trip that ended now, the bytes since the session's last one, and the rate of the session in bytes
    /// per second.
    pub(super) fn on_round_trip(&self, now: Duration, trip: &RoundTrip, bytes: u64, rate: u64) -> Estimate {
        let mut inner = self.inner.lock();
        inner.bytes += bytes;
        let elapsed = now.saturating_sub(inner.since);
        if elapsed >= RATE_INTERVAL {
            inner.rate = bytes_per_second(inner.bytes, elapsed);
            (inner.bytes, inner.since) = (0, now);
        }
        let probe_end = self.probe.end();
        if probe_end > inner.probed {
            if trip.is_alone && self.probe.is_on(now.saturating_sub(trip.rtt)) {
                inner.probe_min = Some(inner.probe_min.map_or(trip.rtt, |min| min.min(trip.rtt)));
            }
            if now >= probe_end {
                inner.probed = probe_end;
                inner.confirmed = now;
                inner.min_rtt = inner.probe_min.take().or(inner.min_rtt);
            }
        }
        let min_rtt = inner.min_rtt.map_or(trip.rtt, |min| min.min(trip.rtt));
        inner.min_rtt = Some(min_rtt);
        if trip.rtt <= min_rtt + min_rtt / 8 {
            inner.confirmed = now;
        }
        if trip.is_limited {
            let mean = inner.mean_rate.unwrap_or(rate);
            inner.mean_rate = Some(mean - mean / MEAN_TRIPS + rate / MEAN_TRIPS);
            inner.congested = (trip.rtt > 2 * min_rtt.max(MIN_RTT)).then_some(now);
            // Also after a probe that another path began: many paths together must not keep all sessions waiting.
            if now >= inner.confirmed.max(probe_end) + PROBE_INTERVAL {
                // All data in flight arrives within a round trip. One more round trip follows on the empty path.
                self.probe.extend(now + (trip.rtt + min_rtt).min(MAX_PROBE_TIME));
            }
        }
        Estimate { min_rtt, rate: inner.rate, mean_rate: inner.mean_rate.unwrap_or(rate) }
    }
}
