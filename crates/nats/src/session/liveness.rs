//! Timer for probes of the peer, and for the abort if it does not answer.

use std::time::Duration;

const INITIAL_PROBE_DELAY: Duration = Duration::from_millis(300);
const MAX_PROBE_DELAY: Duration = Duration::from_secs(4);
const INITIAL_RETRY_DELAY: Duration = Duration::from_millis(2);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Time without a message after which an end probes its peer.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Time limits that the operators of the two ends set.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Time without an answer of the peer after which the session is aborted.
    pub(crate) max_outage: Duration,
    /// Time without data after which the session is aborted, once one direction has ended.
    pub(crate) half_close_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct LivenessTimer {
    last_received: Duration,
    /// Time when the missing answer was first requested.
    since: Option<Duration>,
    probe_at: Option<Duration>,
    probe_delay: Duration,
    /// Time when NATS first reported that the peer does not listen.
    pub(super) no_responders_since: Option<Duration>,
    retry_delay: Duration,
}

impl LivenessTimer {
    /// Creates a timer. The first frame of the peer counts as requested.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            last_received: now,
            since: Some(now),
            probe_at: None,
            probe_delay: INITIAL_PROBE_DELAY,
            no_responders_since: None,
            retry_delay: INITIAL_RETRY_DELAY,
        }
    }

    /// Records that a message of the peer has arrived.
    pub(super) fn on_frame(&mut self, now: Duration) {
        self.last_received = now;
        self.since = None;
        self.no_responders_since = None;
        self.retry_delay = INITIAL_RETRY_DELAY;
    }

    /// Arms the probe, because the peer has to acknowledge something.
    pub(super) fn arm(&mut self, now: Duration) {
        self.probe_at.get_or_insert(now + self.probe_delay);
    }

    /// Disarms the probe, because the peer has acknowledged everything.
    pub(super) fn disarm(&mut self) {
        (self.probe_at, self.probe_delay) = (None, INITIAL_PROBE_DELAY);
    }

    /// Resets the delay of the probe, because the peer has acknowledged data.
    pub(super) fn progress(&mut self, now: Duration) {
        (self.probe_at, self.probe_delay) = (Some(now + INITIAL_PROBE_DELAY), INITIAL_PROBE_DELAY);
    }

    /// Returns true if a probe is due, and records it in that case.
    pub(super) fn is_probe_due(&mut self, now: Duration) -> bool {
        let is_time = self.probe_time() <= now;
        if is_time {
            self.probe(now);
        }
        is_time
    }

    fn probe_time(&self) -> Duration {
        let quiet =
            if self.since.is_some() { Duration::MAX } else { self.last_received + KEEP_ALIVE_INTERVAL };
        self.probe_at.unwrap_or(Duration::MAX).min(quiet)
    }

    /// Records a probe.
    pub(super) fn probe(&mut self, now: Duration) {
        self.since.get_or_insert(now);
        self.probe_at = Some(now + self.probe_delay);
        self.probe_delay = (self.probe_delay * 2).min(MAX_PROBE_DELAY);
    }

    /// Records that the peer does not listen. The next probe follows soon.
    pub(super) fn on_no_responders(&mut self, now: Duration) {
        self.no_responders_since.get_or_insert(now);
        self.since.get_or_insert(now);
        self.probe_at = Some(now + self.retry_delay);
        self.retry_delay = (self.retry_delay * 2).min(MAX_RETRY_DELAY);
    }

    /// Records that this end's NATS connection is lost.
    pub(super) fn lost(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Records that this end's NATS connection is back.
    pub(super) fn retry(&mut self) {
        (self.probe_delay, self.retry_delay) = (INITIAL_PROBE_DELAY, INITIAL_RETRY_DELAY);
        self.no_responders_since = None;
    }

    pub(super) fn has_expired(&self, now: Duration, limits: &Limits) -> bool {
        self.since.is_some_and(|since| now >= since.saturating_add(limits.max_outage))
    }

    pub(super) fn deadline(&self, limits: &Limits, is_up: bool) -> Duration {
        let out = self.since.map_or(Duration::MAX, |since| since.saturating_add(limits.max_outage));
        if is_up { out.min(self.probe_time()) } else { out }
    }
}
