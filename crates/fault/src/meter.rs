//! How much is held up, in one direction of all sessions of a proxy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fifo::Fifo;

/// Counts what comes to faults and what goes, with relaxed atomics: who reads them may see one change before another.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    came: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    byte_micros: AtomicU64,
}

/// What faults have held up, in one direction of all sessions of a proxy, since the start of the run. Bytes that pass while no
/// fault is on do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Passage {
    /// Bytes that came to faults.
    pub came: u64,
    /// Those of them that were passed on.
    pub delivered: u64,
    /// Those of them that are held now. The others are gone: discarded, or given up with their session.
    pub held: u64,
    /// How long those that were passed on had been held, summed over bytes; to within 0.1 ms a byte. What it grows by, divided by
    /// the bytes delivered meanwhile, is the mean added delay.
    pub byte_seconds: f64,
}

impl Meter {
    pub(crate) fn came(&self, bytes: usize) {
        self.came.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Passed on, after `byte_micros` of holding all together.
    pub(crate) fn delivered(&self, bytes: usize, byte_micros: u64) {
        self.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
        self.byte_micros.fetch_add(byte_micros, Ordering::Relaxed);
    }

    /// Gone, but not passed on.
    pub(crate) fn lost(&self, bytes: usize) {
        self.lost.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Passage {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (delivered, lost) = (load(&self.delivered), load(&self.lost));
        let came = load(&self.came).max(delivered + lost);
        let byte_seconds = load(&self.byte_micros) as f64 / 1e6;
        Passage { came, delivered, held: came - delivered - lost, byte_seconds }
    }
}

/// Reads that come within this time count as one.
const GRAIN: Duration = Duration::from_micros(100);

/// When the bytes came that a flow holds, in order.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Fifo<(Duration, usize)>);

impl Arrivals {
    pub(crate) fn push(&mut self, now: Duration, bytes: usize) {
        match self.0.back_mut() {
            Some((at, len)) if now.saturating_sub(*at) < GRAIN => *len += bytes,
            _ => self.0.push_back((now, bytes)),
        }
    }

    /// Bytes came at `now` and go before all others.
    pub(crate) fn push_front(&mut self, now: Duration, bytes: usize) {
        self.0.push_front((now, bytes));
    }

    /// The first so many bytes go; returns their times since they came, in microseconds, summed over bytes.
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

    /// Gives all memory back.
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
        let mut arrivals = Arrivals::default();
        arrivals.push(ms(0), 10);
        arrivals.push(ms(100), 4);
        arrivals.push(ms(100) + GRAIN / 2, 1);
        assert_eq!(arrivals.pop(ms(200), 6), 6 * 200_000);
        arrivals.push_front(ms(250), 3);
        assert_eq!(arrivals.pop(ms(300), 3), 3 * 50_000);
        assert_eq!(arrivals.pop(ms(300), 9), 4 * 300_000 + 5 * 200_000);
        assert_eq!(arrivals.pop(ms(300), 9), 0);
    }

    #[test]
    fn what_is_lost_is_neither_held_nor_delivered() {
        let meter = Meter::default();
        meter.came(10);
        meter.delivered(6, 1_500_000);
        meter.lost(3);
        assert_eq!(meter.read(), Passage { came: 10, delivered: 6, held: 1, byte_seconds: 1.5 });
    }
}
