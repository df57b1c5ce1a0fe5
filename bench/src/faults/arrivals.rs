//! Arrival times of bytes.

use std::time::Duration;

/// The bytes of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Time since the measurement began.
    pub(super) at: Duration,
    pub(super) bytes: u64,
}

/// Returns the sum of all bytes.
pub(super) fn total(arrivals: &[Arrival]) -> u64 {
    arrivals.iter().map(|arrival| arrival.bytes).sum()
}

/// Returns the bytes in each window of length `width`, from `skip` to `end` after the first arrival. An
/// incomplete last window is left out.
pub(super) fn windows(arrivals: &[Arrival], skip: Duration, end: Duration, width: Duration) -> Vec<u64> {
    let index = |at: Duration| at.as_nanos() / width.as_nanos();
    let count = usize::try_from(index(end.saturating_sub(skip))).unwrap_or(usize::MAX);
    let mut windows = vec![0; count];
    let first = arrivals.first().map_or(Duration::ZERO, |arrival| arrival.at);
    for arrival in arrivals {
        let place = (arrival.at - first).checked_sub(skip).and_then(|at| usize::try_from(index(at)).ok());
        if let Some(window) = place.and_then(|place| windows.get_mut(place)) {
            *window += arrival.bytes;
        }
    }
    windows
}

/// Returns the bytes per second from `skip` to `end`, both after the first arrival.
pub(super) fn rate(arrivals: &[Arrival], skip: Duration, end: Duration) -> f64 {
    let bytes: u64 = windows(arrivals, skip, end, end - skip).iter().sum();
    bytes as f64 / (end - skip).as_secs_f64()
}

/// Returns the bytes per second from the first to the last arrival, without the bytes of the first.
pub(super) fn sustained_rate(arrivals: &[Arrival]) -> f64 {
    let ends = arrivals.first().zip(arrivals.last());
    ends.map_or(f64::NAN, |(first, last)| {
        (total(arrivals) - first.bytes) as f64 / (last.at - first.at).as_secs_f64()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn arrivals(millis_and_bytes: &[(u32, u64)]) -> Vec<Arrival> {
        millis_and_bytes.iter().map(|&(millis, bytes)| Arrival { at: millis * MILLI, bytes }).collect()
    }

    #[test]
    fn a_window_holds_its_beginning_and_not_its_end() {
        // The first arrival, at 7 ms, is the start of the time.
        let arrivals =
            arrivals(&[(7, 1), (26, 2), (27, 4), (36, 8), (37, 16), (56, 32), (57, 64), (90, 128)]);
        assert_eq!(windows(&arrivals, 20 * MILLI, 50 * MILLI, 10 * MILLI), [12, 16, 32]);
    }

    #[test]
    fn a_window_in_which_nothing_arrives_counts_as_empty() {
        assert_eq!(windows(&arrivals(&[(0, 5), (35, 7)]), 10 * MILLI, 40 * MILLI, 10 * MILLI), [0, 0, 7]);
        assert_eq!(windows(&[], Duration::ZERO, 20 * MILLI, 10 * MILLI), [0, 0]);
    }

    #[test]
    fn the_incomplete_last_window_is_left_out() {
        assert_eq!(windows(&arrivals(&[(0, 1), (12, 2)]), Duration::ZERO, 15 * MILLI, 10 * MILLI), [1]);
    }

    #[test]
    fn the_rate_is_of_the_time_asked_for() {
        let arrivals = arrivals(&[(0, 1000), (100, 30), (299, 20), (300, 5)]);
        assert!((rate(&arrivals, 100 * MILLI, 300 * MILLI) - 250.0).abs() < 1e-9);
    }

    #[test]
    fn the_sustained_rate_leaves_out_the_first_arrival_and_all_before_it() {
        let arrivals = arrivals(&[(500, 1000), (600, 10), (1000, 40)]);
        assert!((sustained_rate(&arrivals) - 100.0).abs() < 1e-9);
    }
}
