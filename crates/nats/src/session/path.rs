//! Measurements of the network paths to the peers, shared by the sessions of a NATS connection.
//!
//! The sizes of all windows follow from the round-trip time of the empty path. A session that begins while data queues cannot
//! measure it, so the sessions with one peer process share it. It is confirmed as in BBR (draft-ietf-ccwg-bbr, `ProbeRTT`): when no
//! round trip was as short as the shortest for a while, all sessions of the connection let the queue drain and measure again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::round::{RoundTrip, bytes_per_second};
use crate::link::MIN_MESSAGE;

/// Shorter paths count as this long: processes on busy machines add about as much by themselves.
pub(super) const MIN_RTT: Duration = Duration::from_millis(5);
/// The shortest round trip is measured again after this long without one that confirms it. The same for all, so that those who
/// share a link without knowing it do so at the same time.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// The rate of all sessions is measured over at least this time.
const RATE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a path counts as congested after it was.
const CONGESTION_MEMORY: Duration = Duration::from_secs(1);
/// How long no longer messages are tried after one was lost.
const LIMIT_MEMORY: Duration = Duration::from_secs(3600);
/// An end may report that its connection was lost after the losses that this caused.
const OUTAGE_REPORT_DELAY: Duration = Duration::from_secs(5);

/// The time in which all sessions of a NATS connection let the queue drain.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// In microseconds.
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

/// Shared by the sessions with one peer process. Locked once per round trip of a session.
#[derive(Debug)]
pub(crate) struct PathState {
    inner: Mutex<Inner>,
    pub(super) probe: Arc<Probe>,
    /// Size of the longest message that has arrived since the last loss, in bytes.
    max_message: AtomicUsize,
    /// Size of the longest message that may be tried, in bytes.
    max_trial: AtomicUsize,
    /// A longer message than `max_message` is on its way.
    is_trial_on: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    /// When a trial was last lost.
    trial_lost: Duration,
    min_rtt: Option<Duration>,
    /// When a round trip was last about as short as `min_rtt`.
    confirmed: Duration,
    /// When the latest probe ended that was evaluated.
    probed: Duration,
    /// The shortest round trip of the probe.
    probe_min: Option<Duration>,
    congested: Option<Duration>,
    /// Bytes of all sessions since then, and a second in the interval before.
    bytes: u64,
    since: Duration,
    rate: u64,
}

/// What is known of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    /// The round-trip time of the empty path.
    pub(super) min_rtt: Duration,
    /// Bytes a second of all sessions.
    pub(super) rate: u64,
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

    /// A session begins. Longer messages are tried again some time after one was lost.
    pub(super) fn on_session(&self, now: Duration) {
        if now > self.lock().trial_lost + LIMIT_MEMORY {
            self.max_trial.store(usize::MAX, Ordering::Relaxed);
        }
    }

    /// Returns the size of the longest message that is known to arrive, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message.load(Ordering::Relaxed)
    }

    /// Returns the size of the longest message that may be sent for the first time, in bytes.
    pub(super) fn max_new_message(&self) -> usize {
        let max_message = self.max_message();
        if self.is_trial_on.load(Ordering::Relaxed) {
            return max_message;
        }
        max_message.saturating_mul(2).min(self.max_trial.load(Ordering::Relaxed))
    }

    /// Returns whether a trial begins, which is one at a time.
    pub(super) fn begin_trial(&self) -> bool {
        !self.is_trial_on.swap(true, Ordering::Relaxed)
    }

    /// Ends a trial without a result.
    pub(super) fn end_trial(&self) {
        self.is_trial_on.store(false, Ordering::Relaxed);
    }

    /// The trial has arrived: messages may be as long as it.
    pub(super) fn on_trial_arrived(&self, length: usize) {
        self.max_message.fetch_max(length, Ordering::Relaxed);
        self.end_trial();
    }

    /// The trial was lost: messages stay as long as they are.
    pub(super) fn on_trial_lost(&self, now: Duration) {
        self.lock().trial_lost = now;
        self.max_trial.fetch_min(self.max_message(), Ordering::Relaxed);
        self.end_trial();
    }

    /// Records that the NATS connection of an end was lost. A trial that was lost with it may be repeated.
    pub(super) fn on_outage(&self, now: Duration) {
        if now < self.lock().trial_lost + OUTAGE_REPORT_DELAY {
            self.max_trial.store(usize::MAX, Ordering::Relaxed);
        }
    }

    /// A message was lost that was no longer than others before: messages are as short as possible until longer ones arrive.
    pub(super) fn on_loss(&self) {
        self.max_message.store(MIN_MESSAGE, Ordering::Relaxed);
    }

    /// Whether data queued on the path lately.
    pub(super) fn is_congested(&self, now: Duration) -> bool {
        self.lock().congested.is_some_and(|at| now <= at + CONGESTION_MEMORY)
    }

    /// Takes a round trip that ended now, and the bytes since the session's last one.
    pub(super) fn on_round_trip(&self, now: Duration, trip: &RoundTrip, bytes: u64) -> Estimate {
        let mut inner = self.lock();
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
            inner.congested = (trip.rtt > 2 * min_rtt.max(MIN_RTT)).then_some(now);
            if now >= inner.confirmed + PROBE_INTERVAL && now >= probe_end {
                // All that is under way arrives within a round trip. Then there is one more on the empty path.
                self.probe.extend(now + trip.rtt + min_rtt);
            }
        }
        Estimate { min_rtt, rate: inner.rate }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
