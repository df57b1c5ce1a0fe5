//! Rate limit for log lines that any client could otherwise cause in large numbers.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one log line per interval through, and counts the others.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    state: Mutex<State>,
    /// True if `state.count` is not 0. It is read without the lock.
    is_counting: AtomicBool,
}

/// Uses an interval of one second.
impl Default for Throttle {
    fn default() -> Self {
        Self::every(INTERVAL)
    }
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// Number of lines suppressed since then.
    count: u64,
    /// Reason of the last suppressed line.
    reason: String,
}

impl Throttle {
    /// Returns a throttle that lets the first line through, and then one per interval.
    pub fn every(interval: Duration) -> Self {
        Self { interval, state: Mutex::default(), is_counting: AtomicBool::new(false) }
    }

    /// Returns the number of lines that this line stands for, itself included, or `None` if the caller must not write
    /// it. In that case, `reason` is kept for [`rest`](Self::rest).
    pub fn pass(&self, now: Instant, reason: &str) -> Option<u64> {
        let mut state = self.state.lock();
        if self.is_early(&state, now) {
            state.count += 1;
            reason.clone_into(&mut state.reason);
            self.is_counting.store(true, Ordering::Relaxed);
            return None;
        }
        state.last = Some(now);
        Some(self.reset(&mut state).map_or(1, |(count, _)| count + 1))
    }

    /// Returns the number of lines suppressed since the last one and the reason of the last of them, if the interval
    /// has passed. They then count as written. With `None` for `now`, the interval need not have passed: use it at the
    /// end, when no later line follows.
    pub fn rest(&self, now: Option<Instant>) -> Option<(u64, String)> {
        let mut state = self.state.lock();
        if now.is_some_and(|now| self.is_early(&state, now)) {
            return None;
        }
        let rest = self.reset(&mut state)?;
        state.last = now.or(state.last);
        Some(rest)
    }

    /// Returns true if lines were suppressed that no later line has counted.
    pub fn is_counting(&self) -> bool {
        self.is_counting.load(Ordering::Relaxed)
    }

    fn is_early(&self, state: &State, now: Instant) -> bool {
        state.last.is_some_and(|last| now < last + self.interval)
    }

    fn reset(&self, state: &mut State) -> Option<(u64, String)> {
        self.is_counting.store(false, Ordering::Relaxed);
        let (count, reason) = (mem::take(&mut state.count), mem::take(&mut state.reason));
        (count > 0).then_some((count, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_counts_the_others() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.pass(now, "a"), Some(1));
        assert_eq!(throttle.pass(now, "b"), None);
        assert_eq!(throttle.pass(now + INTERVAL / 2, "c"), None);
        assert_eq!(throttle.pass(now + INTERVAL, "d"), Some(3));
        assert!(!throttle.is_counting());
    }

    #[test]
    fn those_left_out_at_the_end_are_told_after_an_interval() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!((throttle.is_counting(), throttle.rest(Some(now))), (false, None));
        throttle.pass(now, "a");
        assert_eq!((throttle.is_counting(), throttle.rest(Some(now + INTERVAL))), (false, None));
        throttle.pass(now, "b");
        throttle.pass(now + INTERVAL / 2, "c");
        assert!(throttle.is_counting());
        assert_eq!(throttle.rest(Some(now + INTERVAL / 2)), None);
        assert_eq!(throttle.rest(Some(now + INTERVAL)), Some((2, "c".to_owned())));
        assert_eq!((throttle.is_counting(), throttle.rest(Some(now + 2 * INTERVAL))), (false, None));
        assert_eq!(throttle.pass(now + INTERVAL, "d"), None);
        assert_eq!((throttle.rest(None), throttle.rest(None)), (Some((1, "d".to_owned())), None));
    }
}
