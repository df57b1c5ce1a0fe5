//! A byte stream in which each byte shows its offset.

use std::cmp::min;

/// A prime number, so that the length is not a multiple of a buffer size or a power of two.
const BLOCK: usize = 1_000_003;

/// An endless stream of pseudo-random bytes that can be read at any offset.
///
/// It repeats every 1,000,003 bytes, so that filling and comparing is as fast as memory even in a debug
/// build. Compare the total length too, because a loss of exactly that many bytes is not visible in the
/// content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    block: Vec<u8>,
}

impl Pattern {
    /// Creates the stream of this seed. Different seeds give different streams.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut block = Vec::with_capacity(BLOCK + 8);
        while block.len() < BLOCK {
            block.extend_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        block.truncate(BLOCK);
        Self { block }
    }

    /// Writes the bytes of the stream from `offset` on.
    pub fn fill(&self, offset: u64, buf: &mut [u8]) {
        let mut written = 0;
        while written < buf.len() {
            let expected = self.run(offset, written, buf.len());
            buf[written..written + expected.len()].copy_from_slice(expected);
            written += expected.len();
        }
    }

    /// Returns the offset in the stream of the first byte of `buf` that differs from the pattern at `offset`.
    pub fn first_difference(&self, offset: u64, buf: &[u8]) -> Option<u64> {
        let mut checked = 0;
        while checked < buf.len() {
            let expected = self.run(offset, checked, buf.len());
            let found = &buf[checked..checked + expected.len()];
            if found != expected {
                let equal = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
                return Some(offset + (checked + equal) as u64);
            }
            checked += expected.len();
        }
        None
    }

    /// Returns the longest part of the block for the rest of a buffer of `len` bytes, the first `done` of
    /// which are processed.
    fn run(&self, offset: u64, done: usize, len: usize) -> &[u8] {
        let position = usize::try_from((offset + done as u64) % BLOCK as u64).expect("a place in the block");
        &self.block[position..min(BLOCK, position + len - done)]
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: [u64; 5] = [0, 1, BLOCK as u64 - 1, 7 * BLOCK as u64 - 50, (1 << 40) + 12_345];

    fn bytes(pattern: &Pattern, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        pattern.fill(offset, &mut bytes);
        bytes
    }

    #[test]
    fn what_is_filled_has_no_difference() {
        let pattern = Pattern::new(1);
        for offset in OFFSETS {
            for len in [0, 1, 100, 65_536, 2 * BLOCK + 17] {
                assert_eq!(pattern.first_difference(offset, &bytes(&pattern, offset, len)), None);
            }
        }
    }

    #[test]
    fn pieces_make_the_same_stream_as_the_whole() {
        let pattern = Pattern::new(2);
        let whole = bytes(&pattern, 0, 3 * BLOCK);
        for (index, piece) in whole.chunks(9_973).enumerate() {
            assert_eq!(pattern.first_difference(index as u64 * 9_973, piece), None);
        }
    }

    #[test]
    fn a_seed_gives_its_own_stream_every_time() {
        assert_eq!(Pattern::new(3), Pattern::new(3));
        for other in [0, 2, 4] {
            let found = bytes(&Pattern::new(other), 0, 100);
            assert!(Pattern::new(3).first_difference(0, &found).is_some_and(|place| place < 10));
        }
    }

    /// Damages a buffer at position 300. Returns the position at which the pattern detects the damage.
    fn seen_at(offset: u64, damage: impl Fn(&mut Vec<u8>)) -> u64 {
        let pattern = Pattern::new(4);
        let mut buffer = bytes(&pattern, offset, 1_000);
        damage(&mut buffer);
        pattern.first_difference(offset, &buffer).expect("the damage goes unseen") - offset
    }

    #[test]
    fn damage_is_seen_where_it_was_done() {
        for offset in OFFSETS {
            assert_eq!(seen_at(offset, |buffer| buffer[300] ^= 1), 300, "changed");
            // Neighboring bytes may be equal by chance, so that the first visible difference is later by
            // their number.
            let dropped = seen_at(offset, |buffer| _ = buffer.remove(300));
            assert!((300..310).contains(&dropped), "dropped: {dropped}");
            let duplicated = seen_at(offset, |buffer| buffer.insert(300, buffer[300]));
            assert!((301..310).contains(&duplicated), "duplicated: {duplicated}");
            let swapped = seen_at(offset, |buffer| {
                let other = (301..).find(|&place| buffer[place] != buffer[300]).unwrap();
                buffer.swap(300, other);
            });
            assert_eq!(swapped, 300, "swapped");
        }
    }

    #[test]
    fn swapped_blocks_of_a_power_of_two_are_seen() {
        let pattern = Pattern::new(5);
        for power in 0..30 {
            let distant = bytes(&pattern, 1 << power, 64);
            assert!(pattern.first_difference(0, &distant).is_some(), "2^{power}");
        }
    }
}
