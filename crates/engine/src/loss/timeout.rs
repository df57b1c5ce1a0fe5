//! The timer of the sender.

use std::time::Duration;

/// Minimum time that Linux adds to the round-trip time (`TCP_RTO_MIN`). RFC 6298 has a minimum of one second
/// for the sum instead.
const MIN_VARIANCE: Duration = Duration::from_millis(200);
/// Longest timeout of Linux (`TCP_RTO_MAX`).
const MAX: Duration = Duration::from_secs(120);

/// One timer for the retransmission timeout and for the probe before it. Acknowledgments restart it.
///
/// The timeout is SRTT + 4·RTTVAR (RFC 6298). On a path with a constant delay, RTTVAR tends to 0, and Linux
/// uses 200 ms instead of 4·RTTVAR. The timeout doubles each time that it fires without an acknowledgment in
/// between. The probe (RFC 8985, tail loss probe) is sent once, two round trips after the last transmission
/// or acknowledgment. It is not sent while a loss is being recovered, or for a single outstanding segment,
/// whose acknowledgment the receiver might delay.
#[derive(Debug, Default)]
pub(super) struct Timer {
    round_trip: Duration,
    started: Duration,
    last_activity: Duration,
    in_a_row: u32,
    probed: bool,
}

/// What to do when the timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    Probe,
    Timeout,
}

impl Timer {
    pub(super) fn new(round_trip: Duration) -> Self {
        Self { round_trip, ..Self::default() }
    }

    /// Records that a new segment was sent. `alone` is true if no other segment is outstanding.
    pub(super) fn sent(&mut self, now: Duration, alone: bool) {
        self.last_activity = now;
        if alone {
            self.started = now;
        }
    }

    /// Records that a segment was sent again.
    pub(super) fn sent_again(&mut self, now: Duration) {
        self.started = now;
    }

    pub(super) fn acknowledged(&mut self, now: Duration) {
        self.started = now;
        self.last_activity = now;
        self.in_a_row = 0;
        self.probed = false;
    }

    pub(super) fn probed(&mut self, now: Duration) {
        self.started = now;
        self.probed = true;
    }

    /// Records that the timeout fired. Returns how often it has fired in a row.
    pub(super) fn timed_out(&mut self) -> u32 {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row
    }

    /// Returns when the timer fires and what for, if `outstanding` is greater than 0.
    pub(super) fn next(&self, outstanding: usize, recovering: bool) -> Option<(Duration, Alarm)> {
        if outstanding == 0 {
            return None;
        }
        let timeout = self.started.saturating_add(self.timeout());
        let probe = self.last_activity.saturating_add(self.round_trip.saturating_mul(2));
        if outstanding >= 2 && !recovering && !self.probed && probe < timeout {
            Some((probe, Alarm::Probe))
        } else {
            Some((timeout, Alarm::Timeout))
        }
    }

    fn timeout(&self) -> Duration {
        let first = self.round_trip.saturating_add(MIN_VARIANCE);
        let doubled = 2_u32.checked_pow(self.in_a_row).map_or(MAX, |factor| first.saturating_mul(factor));
        doubled.min(MAX).max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_timeout_doubles_up_to_two_minutes_and_an_acknowledgment_resets_it() {
        let mut timer = Timer::new(50 * MS);
        let at = |timer: &Timer| timer.next(1, false);
        assert_eq!(at(&timer), Some((250 * MS, Alarm::Timeout)));
        timer.timed_out();
        assert_eq!(at(&timer), Some((500 * MS, Alarm::Timeout)));
        assert_eq!((0..100).map(|_| timer.timed_out()).max(), Some(101));
        assert_eq!(at(&timer), Some((MAX, Alarm::Timeout)));
        timer.acknowledged(MS);
        assert_eq!(at(&timer), Some((251 * MS, Alarm::Timeout)));
    }

    #[test]
    fn a_tail_is_probed_once() {
        let mut timer = Timer::new(50 * MS);
        timer.sent(10 * MS, true);
        timer.sent(20 * MS, false);
        assert_eq!(timer.next(2, false), Some((120 * MS, Alarm::Probe)));
        assert_eq!(timer.next(2, true), Some((260 * MS, Alarm::Timeout)));
        timer.probed(120 * MS);
        assert_eq!(timer.next(2, false), Some((370 * MS, Alarm::Timeout)));
        assert_eq!(timer.next(0, false), None);
    }

    #[test]
    fn the_timeout_is_longer_than_any_round_trip() {
        let timer = Timer::new(Duration::from_secs(300));
        assert_eq!(timer.timeout(), Duration::from_secs(300) + MIN_VARIANCE);
    }
}
