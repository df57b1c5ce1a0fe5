//! When to ask the other end, and when to give it up.

use std::time::Duration;

const INITIAL_PROBE_DELAY: Duration = Duration::from_millis(300);
const MAX_PROBE_DELAY: Duration = Duration::from_secs(4);
const INITIAL_RETRY_DELAY: Duration = Duration::from_millis(2);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// After so long without a word of the other end it is asked for one.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// What both ends' operators decide.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Without a sign of the other end for so long, the session is aborted.
    pub(crate) max_outage: Duration,
    /// The same for a session with one direction ended and nothing moving in the other.
    pub(crate) half_close_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct LivenessTimer {
    last_received: Duration,
    /// Since when an answer is missing.
    since: Option<Duration>,
    probe_at: Option<Duration>,
    probe_delay: Duration,
    /// Since when NATS says that nobody listens.
    no_responders_since: Option<Duration>,
    retry_delay: Duration,
}

impl LivenessTimer {
    /// The other end's first frame counts as asked for.
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

    /// The other end was heard.
    pub(super) fn on_frame(&mut self, now: Duration) {
        self.last_received = now;
        self.since = None;
        self.no_responders_since = None;
        self.retry_delay = INITIAL_RETRY_DELAY;
    }

    /// Something is waited for.
    pub(super) fn arm(&mut self, now: Duration) {
        self.probe_at.get_or_insert(now + self.probe_delay);
    }

    /// Nothing is waited for any more.
    pub(super) fn disarm(&mut self) {
        (self.probe_at, self.probe_delay) = (None, INITIAL_PROBE_DELAY);
    }

    /// Some of what is waited for has come.
    pub(super) fn progress(&mut self, now: Duration) {
        (self.probe_at, self.probe_delay) = (Some(now + INITIAL_PROBE_DELAY), INITIAL_PROBE_DELAY);
    }

    /// Whether to ask now; it counts as asked.
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

    /// A question goes out.
    pub(super) fn probe(&mut self, now: Duration) {
        self.since.get_or_insert(now);
        self.probe_at = Some(now + self.probe_delay);
        self.probe_delay = (self.probe_delay * 2).min(MAX_PROBE_DELAY);
    }

    /// Nobody listens: ask again soon.
    pub(super) fn on_no_responders(&mut self, now: Duration) {
        self.no_responders_since.get_or_insert(now);
        self.since.get_or_insert(now);
        self.probe_at = Some(now + self.retry_delay);
        self.retry_delay = (self.retry_delay * 2).min(MAX_RETRY_DELAY);
    }

    pub(super) fn no_responders_since(&self) -> Option<Duration> {
        self.no_responders_since
    }

    /// The way to the other end is lost.
    pub(super) fn lost(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// The way to the other end is back.
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
