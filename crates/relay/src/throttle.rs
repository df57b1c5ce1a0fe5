//! Log lines that strangers could make come in floods.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one log line in an interval through, and counts the others.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    state: Mutex<State>,
}

/// With an interval of a second.
impl Default for Throttle {
    fn default() -> Self {
        Self::every(INTERVAL)
    }
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// Since the last line, this one included.
    count: u64,
}

impl Throttle {
    /// The first line passes, and then one in each interval.
    pub fn every(interval: Duration) -> Self {
        Self { interval, state: Mutex::default() }
    }

    /// `None` if the line is to be left out; else how many lines it stands for, itself included.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.last.is_some_and(|last| now < last + self.interval) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.count))
    }

    /// Returns how many lines were left out since the last one, if an interval has passed since then. Starts to count anew.
    pub fn rest(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.count == 0 || state.last.is_some_and(|last| now < last + self.interval) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.count))
    }

    /// Returns how many lines were left out since the last one. Starts to count anew.
    pub fn take(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut state.count)).filter(|count| *count > 0)
    }

    /// Returns true if lines were left out that no later line has counted.
    pub fn is_counting(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_counts_the_others() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.pass(now), Some(1));
        assert_eq!(throttle.pass(now), None);
        assert_eq!(throttle.pass(now + INTERVAL / 2), None);
        assert_eq!(throttle.pass(now + INTERVAL), Some(3));
    }

    #[test]
    fn those_left_out_at_the_end_are_told_after_an_interval() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!((throttle.is_counting(), throttle.rest(now)), (false, None));
        throttle.pass(now);
        assert_eq!((throttle.is_counting(), throttle.rest(now + INTERVAL)), (false, None));
        throttle.pass(now);
        throttle.pass(now + INTERVAL / 2);
        assert!(throttle.is_counting());
        assert_eq!(throttle.rest(now + INTERVAL / 2), None);
        assert_eq!(throttle.rest(now + INTERVAL), Some(2));
        assert_eq!((throttle.is_counting(), throttle.rest(now + 2 * INTERVAL)), (false, None));
        assert_eq!((throttle.pass(now + INTERVAL), throttle.take(), throttle.take()), (None, Some(1), None));
    }
}
