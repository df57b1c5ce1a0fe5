//! Timer for probes of the peer, and for the abort if it does not answer.

use std::time::Duration;

/// Minimum time without an answer after which an end probes its peer. It waits for two round trips if they take longer,
/// as TCP does (RFC 8985, section 7.2).
const MIN_PROBE_DELAY: Duration = Duration::from_millis(300);
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
    /// Round-trip time of payloads, including queues, smoothed as in RFC 6298. Zero before the first measurement.
    srtt: Duration,
    /// Time when a payload was sent whose round trip is measured, and the sequence number after its last one.
    timed: Option<(Duration, u64)>,
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
            probe_delay: MIN_PROBE_DELAY,
            srtt: Duration::ZERO,
            timed: None,
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

    /// Records that a payload was sent for the first time, and arms the probe. `end` is the sequence number after its
    /// last one.
    pub(super) fn on_sent(&mut self, now: Duration, end: u64) {
        self.timed.get_or_insert((now, end));
        self.arm(now);
    }

    /// Records that payloads are sent again. An acknowledgment then does not tell how long its payload took.
    pub(super) fn on_resend(&mut self) {
        self.timed = None;
    }

    /// Records that the peer has answered after this time.
    pub(super) fn on_round_trip(&mut self, rtt: Duration) {
        self.srtt = if self.srtt.is_zero() { rtt } else { (7 * self.srtt + rtt) / 8 };
    }

    fn first_probe_delay(&self) -> Duration {
        (2 * self.srtt).clamp(MIN_PROBE_DELAY, MAX_PROBE_DELAY)
    }

    /// Disarms the probe, because the peer has acknowledged everything.
    pub(super) fn disarm(&mut self) {
        (self.probe_at, self.probe_delay) = (None, self.first_probe_delay());
    }

    /// Resets the delay of the probe, because the peer has acknowledged data. Everything below `arrived` has arrived.
    pub(super) fn progress(&mut self, now: Duration, arrived: u64) {
        if let Some((sent, _)) = self.timed.take_if(|(_, end)| *end <= arrived) {
            self.on_round_trip(now.saturating_sub(sent));
        }
        let delay = self.first_probe_delay();
        (self.probe_at, self.probe_delay) = (Some(now + delay), delay);
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
        (self.probe_delay, self.retry_delay) = (self.first_probe_delay(), INITIAL_RETRY_DELAY);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends a payload at `sent`, which arrives after `rtt`, and returns the time until the next probe.
    fn probe_delay(timer: &mut LivenessTimer, sent: Duration, rtt: Duration) -> Duration {
        timer.on_sent(sent, 100);
        timer.on_frame(sent + rtt);
        timer.progress(sent + rtt, 100);
        timer.probe_time() - sent - rtt
    }

    #[test]
    fn a_probe_waits_for_two_round_trips_but_neither_shorter_nor_longer_than_its_limits() {
        for (rtt, delay) in [(0, 300), (150, 300), (400, 800), (2000, 4000), (60_000, 4000)] {
            let mut timer = LivenessTimer::new(Duration::ZERO);
            assert_eq!(probe_delay(&mut timer, 5 * MS, rtt * MS), delay * MS);
        }
    }

    #[test]
    fn the_round_trip_of_a_payload_that_is_sent_again_is_not_measured() {
        let mut timer = LivenessTimer::new(Duration::ZERO);
        timer.on_frame(Duration::ZERO);
        timer.on_round_trip(400 * MS);
        timer.on_sent(MS, 50);
        timer.on_resend();
        timer.progress(3000 * MS, 50);
        assert_eq!(timer.probe_time(), 3800 * MS);
        assert_eq!(
            probe_delay(&mut timer, 4000 * MS, 1200 * MS),
            1000 * MS,
            "an eighth of the difference counts"
        );
    }
}
