//! Log lines that strangers could make come in floods.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line a second through, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// Since the last line, this one included.
    count: u64,
}

impl Throttle {
    /// `line` is told how many messages it is about: `a message`, `7 messages`.
    pub(crate) fn warn(&self, line: impl FnOnce(&str) -> String) {
        if let Some(count) = self.pass(Instant::now()) {
            let times = if count == 1 { "a message".to_owned() } else { format!("{count} messages") };
            warn!("{}", line(&times));
        }
    }

    fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.last.is_some_and(|last| now < last + INTERVAL) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.count))
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
}
