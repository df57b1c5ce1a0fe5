//! Cuts a flow into segments: what a sender would put into one packet.
//!
//! Faults draw once a segment, so where segments begin must not depend on how reads happen to cut the flow. A segment
//! begins at the first byte, where the one before is full, where the other direction has spoken since the last byte
//! (a reply to another request is another packet), and after a pause.

use std::time::Duration;

/// Bytes this far apart are in different segments, full or not.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Segmenter {
    size: usize,
    number: u64,
    filled: usize,
    turn: u64,
    last_at: Duration,
}

impl Segmenter {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, number: 0, filled: 0, turn: 0, last_at: Duration::ZERO }
    }

    /// Bytes come at `now`, when the other direction has sent `turn` bytes.
    pub(crate) fn arrive(&mut self, now: Duration, turn: u64) {
        if self.filled > 0 && (self.turn != turn || now.saturating_sub(self.last_at) >= PAUSE) {
            self.begin();
        }
        self.turn = turn;
        self.last_at = now;
    }

    /// The segment that the next bytes belong to, and how many of `len` do.
    pub(crate) fn take(&mut self, len: usize) -> (u64, usize) {
        if self.filled == self.size {
            self.begin();
        }
        let taken = len.min(self.size - self.filled);
        self.filled += taken;
        (self.number, taken)
    }

    /// As if `len` bytes had been taken one segment after the other.
    pub(crate) fn skip(&mut self, len: usize) {
        let filled = self.filled + len;
        let begun = filled.saturating_sub(1) / self.size;
        self.number += begun as u64;
        self.filled = filled - begun * self.size;
    }

    /// A segment of its own, for an ending.
    pub(crate) fn alone(&mut self) -> u64 {
        if self.filled > 0 {
            self.begin();
        }
        self.number
    }

    fn begin(&mut self) {
        self.number += 1;
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    /// The segment of every byte.
    fn segments(reads: &[usize]) -> Vec<u64> {
        let mut segmenter = Segmenter::new(10);
        let mut bytes = Vec::new();
        for &read in reads {
            segmenter.arrive(AT_ONCE, 0);
            let mut left = read;
            while left > 0 {
                let (segment, taken) = segmenter.take(left);
                bytes.extend(std::iter::repeat_n(segment, taken));
                left -= taken;
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn reads_do_not_decide_where_segments_begin(reads in proptest::collection::vec(0..40_usize, 0..20)) {
            prop_assert_eq!(segments(&reads), segments(&[reads.iter().sum()]));
        }

        #[test]
        fn skipping_is_taking(reads in proptest::collection::vec(0..40_usize, 0..20)) {
            let (mut skipped, mut taken) = (Segmenter::new(10), Segmenter::new(10));
            for read in reads {
                skipped.skip(read);
                let mut left = read;
                while left > 0 {
                    left -= taken.take(left).1;
                }
                prop_assert_eq!((skipped.number, skipped.filled), (taken.number, taken.filled));
            }
        }
    }

    #[test]
    fn a_turn_and_a_pause_begin_a_segment() {
        let mut segmenter = Segmenter::new(10);
        let mut segment = |millis, turn| {
            segmenter.arrive(Duration::from_millis(millis), turn);
            segmenter.take(2).0
        };
        assert_eq!(
            [segment(0, 0), segment(9, 0), segment(9, 5), segment(10, 5), segment(20, 5)],
            [0, 0, 1, 1, 2]
        );
    }
}
