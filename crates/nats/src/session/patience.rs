//! When to ask the other end, and when to give it up.

use std::time::Duration;

const FIRST_ASK: Duration = Duration::from_millis(300);
const LONGEST_ASK: Duration = Duration::from_secs(4);
const FIRST_RETRY: Duration = Duration::from_millis(2);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// After so long without a word of the other end it is asked for one.
pub(super) const QUIET: Duration = Duration::from_secs(15);

/// What both ends' operators decide.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Without a sign of the other end for so long, the session is aborted.
    pub(crate) max_outage: Duration,
    /// The same for a session with one direction ended and nothing moving in the other.
    pub(crate) half_close_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Patience {
    heard: Duration,
    /// Since when an answer is missing.
    since: Option<Duration>,
    ask_at: Option<Duration>,
    ask_after: Duration,
    /// Since when NATS says that nobody listens.
    nobody_since: Option<Duration>,
    retry_after: Duration,
}

impl Patience {
    /// The other end's first frame counts as asked for.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            heard: now,
            since: Some(now),
            ask_at: None,
            ask_after: FIRST_ASK,
            nobody_since: None,
            retry_after: FIRST_RETRY,
        }
    }

    /// The other end was heard.
    pub(super) fn hear(&mut self, now: Duration) {
        self.heard = now;
        self.since = None;
        self.nobody_since = None;
        self.retry_after = FIRST_RETRY;
    }

    /// Something is waited for.
    pub(super) fn wait(&mut self, now: Duration) {
        self.ask_at.get_or_insert(now + self.ask_after);
    }

    /// Nothing is waited for any more.
    pub(super) fn rest(&mut self) {
        (self.ask_at, self.ask_after) = (None, FIRST_ASK);
    }

    /// Some of what is waited for has come.
    pub(super) fn progress(&mut self, now: Duration) {
        (self.ask_at, self.ask_after) = (Some(now + FIRST_ASK), FIRST_ASK);
    }

    /// Whether to ask now; it counts as asked.
    pub(super) fn is_time_to_ask(&mut self, now: Duration) -> bool {
        let is_time = self.asks_at() <= now;
        if is_time {
            self.ask(now);
        }
        is_time
    }

    fn asks_at(&self) -> Duration {
        let quiet = if self.since.is_some() { Duration::MAX } else { self.heard + QUIET };
        self.ask_at.unwrap_or(Duration::MAX).min(quiet)
    }

    /// A question goes out.
    pub(super) fn ask(&mut self, now: Duration) {
        self.since.get_or_insert(now);
        self.ask_at = Some(now + self.ask_after);
        self.ask_after = (self.ask_after * 2).min(LONGEST_ASK);
    }

    /// Nobody listens: ask again soon.
    pub(super) fn nobody(&mut self, now: Duration) {
        self.nobody_since.get_or_insert(now);
        self.since.get_or_insert(now);
        self.ask_at = Some(now + self.retry_after);
        self.retry_after = (self.retry_after * 2).min(LONGEST_RETRY);
    }

    pub(super) fn nobody_since(&self) -> Option<Duration> {
        self.nobody_since
    }

    /// The way to the other end is lost.
    pub(super) fn lost(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// The way to the other end is back.
    pub(super) fn retry(&mut self) {
        (self.ask_after, self.retry_after) = (FIRST_ASK, FIRST_RETRY);
        self.nobody_since = None;
    }

    pub(super) fn is_out(&self, now: Duration, limits: &Limits) -> bool {
        self.since.is_some_and(|since| now >= since.saturating_add(limits.max_outage))
    }

    pub(super) fn deadline(&self, limits: &Limits, is_up: bool) -> Duration {
        let out = self.since.map_or(Duration::MAX, |since| since.saturating_add(limits.max_outage));
        if is_up { out.min(self.asks_at()) } else { out }
    }
}
