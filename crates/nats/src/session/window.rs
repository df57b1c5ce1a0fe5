//! Receive windows: how much data may be in flight to a session's reader.
//!
//! A window is the amount that the path delivers in two round trips of the empty path, plus alpha. While the window
//! limits the rate, it doubles with each round trip, until data queues for about a round trip. Without alpha (TCP
//! Vegas, Brakmo and Peterson 1995), sessions on one path would keep the shares that they began with. Alpha is a small
//! part of a window if round trips are long, so a part of the rate is shuffled as well: each session gives it up, and
//! gets the same part of the mean rate (XCP, Katabi, Handley and Rohrs 2002).
//! `docs/nats-protocol.md` has the formula.

use std::sync::Arc;
use std::time::Duration;

use super::path::{Estimate, MIN_RTT, PathState};
use super::round::{Rates, Round, RoundTrip, bytes_in};
use crate::budget::MemoryBudget;

/// Window of a new session.
pub(super) const FIRST_WINDOW: usize = 64 << 10;
/// Window of a new session on a congested path.
const FIRST_CONGESTED_WINDOW: usize = 16 << 10;
/// Part of alpha that does not depend on the session's rate: the amount that the path delivers in this time, but at
/// least [`MIN_ALPHA`]. Without it, a thousand sessions on a fast path would have windows of a few KiB and mostly send
/// headers.
const MIN_ALPHA_TIME: Duration = Duration::from_micros(500);
const MIN_ALPHA: usize = 3 << 10;
/// The rest of alpha is the geometric mean of this and of the amount that arrives in [`ALPHA_TIME`]. It grows more
/// slowly than the rate, so the shares become equal, and for fast sessions soon enough.
const ALPHA_BYTES: usize = 16 << 10;
const ALPHA_TIME: Duration = Duration::from_millis(10);
/// Minimum part of a window that one message carries. Smaller messages would be mostly headers.
const MIN_PART: u64 = 4 << 10;
/// Divisor of a rate that gives the part that is shuffled between the sessions of a path.
const SHUFFLED_PART: u64 = 8;
const MIN_PROBE_WINDOW: usize = 1 << 10;

/// Returns the part of a window that one message carries, or that one grant adds. With the whole window in one message,
/// the path would be empty while its acknowledgment returns.
pub(super) fn part(window: u64) -> u64 {
    (window / 4).max(MIN_PART.min(window / 2))
}

/// Receive window of one session.
#[derive(Debug)]
pub(crate) struct Window {
    pub(super) size: usize,
    /// Part of the budget that is reserved for data in flight.
    pub(super) held: usize,
    round: Option<Round>,
    /// Time when a round trip last ended, and the sequence number below which everything was read or had just arrived
    /// then.
    measured: Option<(Duration, u64)>,
    rates: Rates,
    probe_size: usize,
    pub(super) path: Arc<PathState>,
    pub(super) budget: Arc<MemoryBudget>,
}

impl Window {
    pub(crate) fn new(path: Arc<PathState>, budget: Arc<MemoryBudget>, now: Duration) -> Self {
        Self {
            size: first_size(&path, now),
            held: 0,
            round: None,
            measured: None,
            rates: Rates::default(),
            probe_size: MIN_PROBE_WINDOW,
            path,
            budget,
        }
    }

    /// Returns the sequence number from which on the peer must not send, if everything below `granted` was granted before.
    pub(super) fn limit(&self, now: Duration, granted: u64, taken: u64) -> u64 {
        let size = match self.path.probe.is_on(now) {
            // Nothing until all data has arrived, and a little after that.
            true if taken < granted => return granted,
            true => self.probe_size.min(self.size),
            false => self.size.min(self.budget.window_room(self.held)),
        };
        granted.max(taken + size as u64)
    }

    /// Returns the minimum credit for a separate message.
    pub(super) fn worth(&self) -> u64 {
        part(self.size as u64)
    }

    /// Records that credit beyond `limit` is granted now.
    pub(super) fn on_grant(&mut self, now: Duration, limit: u64, got: u64, taken: u64) {
        if self.round.is_none() {
            self.round = Some(Round::start(now, limit, got));
            self.measured.get_or_insert((now, taken));
        }
    }

    /// Records that everything below `got` has arrived, `len` bytes of it now.
    pub(super) fn on_arrival(&mut self, now: Duration, got: u64, taken: u64, len: u64) {
        let Some(round) = &mut self.round else { return };
        if let Some(trip) = round.on_arrival(now, got) {
            self.round = None;
            self.on_round_trip(now, got.min(taken + len), &trip);
        }
    }

    /// Records that the peer has answered after this time.
    pub(super) fn on_answer(&mut self, now: Duration, rtt: Duration) {
        let trip = RoundTrip { rtt, is_limited: false, is_alone: false };
        self.path.on_round_trip(now, &trip, 0, 0);
    }

    fn on_round_trip(&mut self, now: Duration, read: u64, trip: &RoundTrip) {
        let (since, before) = self.measured.replace((now, read)).unwrap_or((now, read));
        let bytes = read.saturating_sub(before);
        let is_probe = self.path.probe.is_on(since);
        let is_growing = !is_probe && self.rates.push(bytes, now.saturating_sub(since));
        let mut rate = self.rates.highest();
        let Estimate { min_rtt, rate: path_rate, mean_rate } =
            self.path.on_round_trip(now, trip, bytes, rate);
        if is_probe {
            return;
        }
        if trip.is_limited {
            rate = rate - rate / SHUFFLED_PART + mean_rate / SHUFFLED_PART;
        }
        let delivered = |time| bytes_in(rate, time);
        let gain = if is_growing { 4 } else { 2 };
        let least_alpha = bytes_in(path_rate, MIN_ALPHA_TIME).clamp(MIN_ALPHA, FIRST_WINDOW);
        let alpha = least_alpha + delivered(ALPHA_TIME).saturating_mul(ALPHA_BYTES).isqrt();
        let mut size = delivered(gain * min_rtt.max(MIN_RTT)).saturating_add(alpha).min(2 * self.size);
        if !trip.is_limited {
            // The sender had little data, and may have more later.
            size = size.max(self.size.min(FIRST_WINDOW));
        }
        self.probe_size = (delivered(min_rtt) / 2).max(MIN_PROBE_WINDOW);
        self.resize(size);
    }

    fn resize(&mut self, size: usize) {
        let beyond = size.saturating_sub(FIRST_WINDOW);
        self.held = self.budget.exchange_window(self.held, beyond);
        self.size = size.min(FIRST_WINDOW) + self.held;
    }

    /// Releases the window: no more credit is granted.
    pub(super) fn give_up(&mut self) {
        self.resize(0);
    }

    /// Returns to the first size. Granted credit stays valid.
    pub(super) fn shrink(&mut self, now: Duration) {
        self.resize(first_size(&self.path, now));
        (self.round, self.measured, self.rates) = (None, None, Rates::default());
    }
}

fn first_size(path: &PathState, now: Duration) -> usize {
    if path.is_congested(now) { FIRST_CONGESTED_WINDOW } else { FIRST_WINDOW }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_share_a_budget_and_give_it_back() {
        let budget = MemoryBudget::new(36 << 20);
        let path = PathState::new(Arc::default());
        let mut windows =
            [(); 4].map(|()| Window::new(Arc::clone(&path), Arc::clone(&budget), Duration::ZERO));
        windows[0].resize(usize::MAX);
        assert_eq!(windows[0].size, FIRST_WINDOW + (6 << 20));
        for _ in 0..100 {
            windows.iter_mut().for_each(|window| window.resize(usize::MAX));
        }
        let sizes = windows.each_ref().map(|window| window.size);
        let [least, most] = [sizes.iter().min(), sizes.iter().max()].map(|size| *size.expect("four"));
        assert!(most - least < 1000 && least > FIRST_WINDOW + (1 << 20), "{sizes:?}");
        drop(windows);
        assert_eq!(budget.exchange_window(0, 9 << 20), 6 << 20);
    }
}
