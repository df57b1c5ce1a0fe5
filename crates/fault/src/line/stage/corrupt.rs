//! Flips bits.

use rand::{Rng, RngExt};
use rand_distr::Distribution;
use rand_distr::Geometric;

/// Flips one bit in a share of the bytes; which ones follows from the draws alone.
#[derive(Debug)]
pub(crate) struct Corrupt {
    gaps: Geometric,
    /// Bytes to pass before the next that is changed; `None`: not drawn yet.
    gap: Option<u64>,
}

impl Corrupt {
    /// `rate`: 0 to 1, as resolved.
    pub(crate) fn new(rate: f64) -> Option<Self> {
        let gaps = Geometric::new(rate).ok().filter(|_| rate > 0.0)?;
        Some(Self { gaps, gap: None })
    }

    /// Changes `bytes` in place; `tell` gets the place of each changed byte and the mask of its bit.
    pub(crate) fn apply(&mut self, bytes: &mut [u8], draws: &mut impl Rng, mut tell: impl FnMut(usize, u8)) {
        let mut next = 0_u64;
        loop {
            let gap = *self.gap.get_or_insert_with(|| self.gaps.sample(draws));
            let place = next.saturating_add(gap);
            let Some(byte) = usize::try_from(place).ok().and_then(|place| bytes.get_mut(place)) else {
                self.gap = Some(gap - (bytes.len() as u64 - next));
                return;
            };
            let mask = 1 << draws.random_range(0..8_u8);
            *byte ^= mask;
            self.gap = None;
            next = place + 1;
            #[allow(clippy::cast_possible_truncation, reason = "an index into `bytes`")]
            tell(place as usize, mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::line::draws::Draws;

    fn corrupted(chunks: &[usize], rate: f64) -> Vec<u8> {
        let (mut corrupt, mut draws) = (Corrupt::new(rate).expect("a rate"), Draws::seed_from_u64(3));
        let mut bytes = Vec::new();
        for &len in chunks {
            let mut chunk = vec![0; len];
            corrupt.apply(&mut chunk, &mut draws, |_, _| {});
            bytes.extend(chunk);
        }
        bytes
    }

    #[test]
    fn one_bit_in_a_share_of_the_bytes_whatever_the_chunks() {
        let whole = corrupted(&[100_000], 0.01);
        assert_eq!(whole, corrupted(&[1, 0, 999, 49_000, 50_000], 0.01));
        let changed: Vec<u32> =
            whole.iter().filter(|byte| **byte != 0).map(|byte| byte.count_ones()).collect();
        assert!(changed.iter().all(|bits| *bits == 1));
        assert!((800..1200).contains(&changed.len()), "{}", changed.len());
    }

    #[test]
    fn rates_at_the_ends() {
        assert!(Corrupt::new(0.0).is_none());
        assert!(corrupted(&[100, 100], 1.0).iter().all(|byte| byte.count_ones() == 1));
    }
}
