//! When to probe the peer, and when to give the session up.

use std::time::Duration;

const INITIAL_PROBE_DELAY: Duration = Duration::from_millis(300);
const MAX_PROBE_DELAY: Duration = Duration::from_secs(4);
const INITIAL_RETRY_DELAY: Duration = Duration::from_millis(2);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// An end that has received nothing from its peer for this time probes it.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Time limits that the operators of both ends set.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The session is aborted if the peer does not answer for this time.
    pub(crate) max_outage: Duration,
    /// The session is aborted if one direction has ended and nothing moves in the other one for this time.
    pub(crate) half_close_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct LivenessTimer {
    last_received: Duration,
    /// When the answer that is missing was first requested.
    since: Option<Duration>,
    probe_at: Option<Duration>,
    probe_delay: Duration,
    /// When NATS first reported that the peer does not listen.
    pub(super) no_responders_since: Option<Duration>,
    retry_delay: Duration,
}

impl LivenessTimer {
    /// The peer's first frame counts as requested.
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

    /// A message of the peer has arrived.
    pub(super) fn on_frame(&mut self, now: Duration) {
        self.last_received = now;
        self.since = None;
        self.no_responders_since = None;
        self.retry_delay = INITIAL_RETRY_DELAY;
    }

    /// Arms the probe: the peer has something to acknowledge.
    pub(super) fn arm(&mut self, now: Duration) {
        self.probe_at.get_or_insert(now + self.probe_delay);
    }

    /// Disarms the probe: the peer has acknowledged everything.
    pub(super) fn disarm(&mut self) {
        (self.probe_at, self.probe_delay) = (None, INITIAL_PROBE_DELAY);
    }

    /// Resets the delay of the probe, since the peer has acknowledged data.
    pub(super) fn progress(&mut self, now: Duration) {
        (self.probe_at, self.probe_delay) = (Some(now + INITIAL_PROBE_DELAY), INITIAL_PROBE_DELAY);
    }

    /// Returns whether to probe now, and records a probe if so.
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

    /// The peer does not listen. Probes again soon.
    pub(super) fn on_no_responders(&mut self, now: Duration) {
        self.no_responders_since.get_or_insert(now);
        self.since.get_or_insert(now);
        self.probe_at = Some(now + self.retry_delay);
        self.retry_delay = (self.retry_delay * 2).min(MAX_RETRY_DELAY);
    }

    /// This end's connection to NATS is lost.
    pub(super) fn lost(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// This end's connection to NATS is back.
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
