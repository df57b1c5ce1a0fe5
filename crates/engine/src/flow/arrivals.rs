//! Arrival times of the bytes that a flow holds.

use std::time::Duration;

use crate::fifo::Fifo;

/// Reads within this time of each other share one arrival time.
const GRAIN: Duration = Duration::from_micros(100);

/// Arrival times of the bytes that a flow holds, in order.
#[derive(Debug, Default)]
pub(crate) struct ArrivalTimes(Fifo<(Duration, usize)>);

impl ArrivalTimes {
    pub(crate) fn push(&mut self, now: Duration, bytes: usize) {
        match self.0.back_mut() {
            Some((at, len)) if now.saturating_sub(*at) < GRAIN => *len += bytes,
            _ => self.0.push_back((now, bytes)),
        }
    }

    /// Adds bytes that arrived at `now` in front of all others.
    pub(crate) fn push_front(&mut self, now: Duration, bytes: usize) {
        self.0.push_front((now, bytes));
    }

    /// Removes the first `bytes` bytes. Returns the time since their arrival, in microseconds, summed over bytes.
    pub(crate) fn pop(&mut self, now: Duration, mut bytes: usize) -> u64 {
        let mut byte_micros = 0_u64;
        while bytes > 0
            && let Some((at, len)) = self.0.front_mut()
        {
            let these = bytes.min(*len);
            let micros = u64::try_from(now.saturating_sub(*at).as_micros()).unwrap_or(u64::MAX);
            byte_micros = byte_micros.saturating_add(micros.saturating_mul(these as u64));
            bytes -= these;
            *len -= these;
            if *len == 0 {
                self.0.pop_front();
            }
        }
        byte_micros
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Releases all memory.
    pub(crate) fn clear(&mut self) {
        self.0 = Fifo::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_in_the_order_in_which_they_came() {
        let ms = Duration::from_millis;
        let mut arrivals = ArrivalTimes::default();
        arrivals.push(ms(0), 10);
        arrivals.push(ms(100), 4);
        arrivals.push(ms(100) + GRAIN / 2, 1);
        assert_eq!(arrivals.pop(ms(200), 6), 6 * 200_000);
        arrivals.push_front(ms(250), 3);
        assert_eq!(arrivals.pop(ms(300), 3), 3 * 50_000);
        assert_eq!(arrivals.pop(ms(300), 9), 4 * 300_000 + 5 * 200_000);
        assert_eq!(arrivals.pop(ms(300), 9), 0);
    }
}
