//! Divides a flow into segments: the data that a sender would put into one packet.
//!
//! Faults draw once per segment, so the start of a segment must not depend on how reads divide the flow. A
//! segment starts at the first byte, and where the previous segment is full. It also starts where the other
//! direction has sent data since the last byte, because the response to another request is another packet. A
//! segment also starts after a pause, if the source was found empty there. Time that bytes wait until they
//! are read is not a pause of their sender.
//!
//! A segment that starts after a full one ends at a multiple of the size, counted from the start of the flow.
//! If a segment starts elsewhere in another run, both runs have the same segments again after the next full
//! one.

use std::time::Duration;

use crate::pipeline::plan::Plan;

/// Payload of a full packet on Ethernet: 1,500 bytes minus the headers of IPv4 and TCP.
const SEGMENT_SIZE: usize = 1460;

/// Bytes with a longer time between them are in different segments.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub(crate) struct Segmenter {
    size: u64,
    number: u64,
    /// Offset of the first byte of the segment. `position` is the offset of the next byte, and `full_at` the
    /// first offset that does not fit.
    start: u64,
    pub(crate) position: u64,
    full_at: u64,
    turn: u64,
    /// Time at which the last bytes were received.
    pub(crate) last_at: Duration,
}

/// Circumstances of received bytes that decide where segments start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Time at which the bytes are received.
    pub(crate) at: Duration,
    /// Number of bytes that the other direction has sent.
    pub(crate) turn: u64,
    /// True if the source was found empty since the previous bytes.
    pub(crate) was_empty: bool,
}

impl Segmenter {
    fn new(size: usize) -> Self {
        let size = size as u64;
        Self { size, number: 0, start: 0, position: 0, full_at: size, turn: 0, last_at: Duration::ZERO }
    }

    /// Creates the segmenter of a session that begins with `plan`.
    pub(crate) fn for_plan(plan: &Plan) -> Self {
        let size = plan.iter().find_map(|entry| entry.fault.effect.behavior().segment_size());
        Self::new(size.and_then(|size| usize::try_from(size).ok()).unwrap_or(SEGMENT_SIZE))
    }

    /// Counts bytes that no fault has acted on.
    pub(crate) fn on_bypassed(&mut self, arrival: Arrival, len: usize) {
        self.on_received(arrival);
        self.skip(len);
    }

    /// Starts another segment if the other direction has sent data or the sender has paused since the
    /// previous bytes.
    pub(crate) fn on_received(&mut self, Arrival { at, turn, was_empty }: Arrival) {
        let is_apart = self.turn != turn || at.saturating_sub(self.last_at) >= PAUSE;
        if was_empty && is_apart {
            self.begin();
        }
        self.turn = turn;
        self.last_at = at;
    }

    /// Returns the segment of the next bytes, and how many of `len` bytes belong to it.
    pub(crate) fn take(&mut self, len: usize) -> (u64, usize) {
        if self.position == self.full_at {
            self.number += 1;
            self.start = self.position;
            self.full_at = (self.position / self.size + 1) * self.size;
        }
        let room = usize::try_from(self.full_at - self.position).unwrap_or(usize::MAX);
        let taken = len.min(room);
        self.position += taken as u64;
        (self.number, taken)
    }

    /// Skips `len` bytes, with the same result as taking them one segment after the other.
    pub(crate) fn skip(&mut self, len: usize) {
        let before = self.full_at;
        self.position += len as u64;
        if self.position > before {
            // Segments start at the end of this one, and at all later multiples of the size.
            let last = (self.position - 1) / self.size;
            self.number += last - before / self.size + 1;
            self.start = (last * self.size).max(before);
            self.full_at = (last + 1) * self.size;
        }
    }

    /// Starts a separate segment for the end of the flow. Returns its number.
    pub(crate) fn separate(&mut self) -> u64 {
        self.begin();
        self.number
    }

    /// Starts another segment, unless the current one is empty.
    fn begin(&mut self) {
        if self.position > self.start {
            self.number += 1;
            self.start = self.position;
            self.full_at = self.position + self.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT_ONCE: Arrival = Arrival { at: Duration::ZERO, turn: 0, was_empty: true };

    /// Takes all of `len`. Returns each segment with its number of bytes.
    fn take_all(segmenter: &mut Segmenter, len: usize) -> Vec<(u64, usize)> {
        let mut left = len;
        let mut segments = Vec::new();
        while left > 0 {
            let (segment, taken) = segmenter.take(left);
            segments.push((segment, taken));
            left -= taken;
        }
        segments
    }

    /// Returns the segment of every byte.
    fn segments(reads: &[usize]) -> Vec<u64> {
        let mut segmenter = Segmenter::new(10);
        let mut bytes = Vec::new();
        for &read in reads {
            segmenter.on_received(AT_ONCE);
            for (segment, taken) in take_all(&mut segmenter, read) {
                bytes.extend(std::iter::repeat_n(segment, taken));
            }
        }
        bytes
    }

    /// Returns the offsets at which segments start if one more starts after each of the `turns`.
    fn begins(turns: &[u64], len: u64) -> Vec<u64> {
        let mut segmenter = Segmenter::new(10);
        let mut begins = Vec::new();
        for offset in 0..len {
            let turn = turns.iter().filter(|turn| **turn <= offset).count() as u64;
            segmenter.on_received(Arrival { turn, ..AT_ONCE });
            segmenter.take(1);
            if segmenter.start == offset {
                begins.push(offset);
            }
        }
        begins
    }

    proptest! {
        #[test]
        fn reads_do_not_decide_where_segments_begin(reads in proptest::collection::vec(0..40_usize, 0..20)) {
            prop_assert_eq!(segments(&reads), segments(&[reads.iter().sum()]));
        }

        #[test]
        fn skipping_is_taking(steps in proptest::collection::vec((0..40_usize, any::<bool>()), 0..20)) {
            let (mut skipped, mut taken) = (Segmenter::new(10), Segmenter::new(10));
            for (turn, (read, is_apart)) in (1..).zip(steps) {
                for segmenter in [&mut skipped, &mut taken] {
                    segmenter.on_received(Arrival { turn: if is_apart { turn } else { segmenter.turn }, ..AT_ONCE });
                }
                skipped.skip(read);
                take_all(&mut taken, read);
                let state = |of: &Segmenter| (of.number, of.start, of.position, of.full_at);
                prop_assert_eq!(state(&skipped), state(&taken));
            }
        }

        #[test]
        fn a_segment_that_begins_elsewhere_changes_those_around_it_only(turn in 0..100_u64, other in 0..100_u64) {
            let (one, two) = (begins(&[turn], 150), begins(&[other], 150));
            let is_near = |offset: u64| [turn, other].iter().any(|turn| (*turn..turn + 20).contains(&offset));
            let rest = |begins: Vec<u64>| begins.into_iter().filter(|offset| !is_near(*offset)).collect::<Vec<_>>();
            prop_assert_eq!(rest(one), rest(two));
        }
    }

    #[test]
    fn a_turn_and_a_pause_begin_a_segment_if_the_source_was_empty() {
        let mut segmenter = Segmenter::new(10);
        let mut segment = |millis, turn, was_empty| {
            segmenter.on_received(Arrival { at: Duration::from_millis(millis), turn, was_empty });
            segmenter.take(2).0
        };
        assert_eq!(
            [
                segment(0, 0, true),
                segment(9, 0, true),
                segment(9, 5, true),
                segment(10, 5, true),
                segment(20, 5, true),
                segment(60, 9, false),
                segment(61, 9, true),
            ],
            [0, 0, 1, 1, 2, 2, 2]
        );
    }

    #[test]
    fn what_begins_after_a_pause_may_be_as_long_as_any_and_the_next_ends_at_a_multiple() {
        let mut segmenter = Segmenter::new(10);
        assert_eq!(take_all(&mut segmenter, 3), [(0, 3)]);
        segmenter.on_received(Arrival { turn: 1, ..AT_ONCE });
        assert_eq!(take_all(&mut segmenter, 27), [(1, 10), (2, 7), (3, 10)]);
    }
}
