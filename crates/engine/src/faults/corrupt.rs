//! Flips bits.

use rand::RngExt;
use rand_distr::{Distribution, Geometric};

use super::prelude::*;
use crate::stage::rng::FaultRng;

/// Length of the blocks of a flow. The flips in a block are drawn together and do not depend on earlier
/// blocks.
const BLOCK: u64 = 4096;

/// Flips random bits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Corrupt {
    /// Share of bytes in which one bit is flipped, 0 to 1.
    pub rate: f64,
}

impl Corrupt {
    /// Flips one bit in this share of bytes.
    pub fn new(rate: f64) -> Self {
        Self { rate }
    }
}

impl Behavior for Corrupt {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt {} of bytes", Percent(self.rate))
    }

    fn place(&self) -> Place {
        Place::Content
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(CorruptStage { flips: Flips::new(self.rate)?, key: start.key }))
    }
}

#[derive(Debug)]
struct CorruptStage {
    flips: Flips,
    key: DrawKey,
}

impl Stage for CorruptStage {
    fn change(&mut self, now: Duration, offset: u64, bytes: &mut [u8], context: &mut StageContext<'_>) {
        self.flips.apply(offset, bytes, self.key, |place, mask| {
            context.counters.record_action();
            (context.record_decision)(now, place, Decision::Flip { mask });
        });
    }
}

/// Flips one bit in a share of the bytes. The draws alone decide which ones.
#[derive(Debug)]
struct Flips {
    gaps: Geometric,
    block: Option<Block>,
}

/// The flips of one block, drawn up to `next`.
#[derive(Debug)]
struct Block {
    start: u64,
    draws: FaultRng,
    /// The next byte to change. It may be beyond the end of the block.
    next: u64,
}

impl Block {
    fn new(start: u64, gaps: &Geometric, key: DrawKey) -> Self {
        let mut draws = key.at(start);
        let next = start.saturating_add(gaps.sample(&mut draws));
        Self { start, draws, next }
    }

    /// Returns the offset after the last byte.
    fn end(&self) -> u64 {
        self.start.saturating_add(BLOCK)
    }

    /// Returns the mask of the bit to flip in the next byte, and draws the byte to change after it.
    fn flip(&mut self, gaps: &Geometric) -> u8 {
        let mask = 1 << self.draws.random_range(0..8_u8);
        self.next = self.next.saturating_add(1).saturating_add(gaps.sample(&mut self.draws));
        mask
    }
}

impl Flips {
    /// `rate` must be 0 to 1. Returns `None` for a rate of 0.
    fn new(rate: f64) -> Option<Self> {
        let gaps = Geometric::new(rate).ok().filter(|_| rate > 0.0)?;
        Some(Self { gaps, block: None })
    }

    /// Changes `bytes`, which start at `offset`, in place. Calls `report` with the offset of each changed
    /// byte and the mask of its bit.
    fn apply(&mut self, offset: u64, bytes: &mut [u8], key: DrawKey, mut report: impl FnMut(u64, u8)) {
        let (gaps, end) = (self.gaps, offset + bytes.len() as u64);
        let mut start = offset - offset % BLOCK;
        while start < end {
            let block = match &mut self.block {
                Some(block) if block.start == start => block,
                block => block.insert(Block::new(start, &gaps, key)),
            };
            while block.next < block.end().min(end) {
                let place = block.next;
                let mask = block.flip(&gaps);
                // A fault that is switched on within a block skips the flips before its first byte.
                if let Some(index) = place.checked_sub(offset) {
                    #[allow(clippy::cast_possible_truncation, reason = "an index into `bytes`")]
                    let index = index as usize;
                    bytes[index] ^= mask;
                    report(place, mask);
                }
            }
            start += BLOCK;
        }
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "corrupt",
    help: "Flip random bits",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[Parameter::share(
        "rate",
        "Share of bytes in which to flip a bit, for example 0.001 or 0.1%",
    )
    .main()
    .one_of(&["rate"])],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    rate: Option<Rate>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        Ok(Corrupt { rate: ratio_from(self.rate)? }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros from `offset` on, corrupted in chunks.
    fn corrupted(mut offset: u64, chunks: &[usize], rate: f64) -> Vec<u8> {
        let mut corrupt = Flips::new(rate).expect("a rate");
        let key = DrawKey::new(3, "db", 1, None, "corrupt");
        let mut bytes = Vec::new();
        for &len in chunks {
            let mut chunk = vec![0; len];
            corrupt.apply(offset, &mut chunk, key, |_, _| {});
            offset += len as u64;
            bytes.extend(chunk);
        }
        bytes
    }

    #[test]
    fn one_bit_in_a_share_of_the_bytes_whatever_the_chunks() {
        let whole = corrupted(0, &[100_000], 0.01);
        assert_eq!(whole, corrupted(0, &[1, 0, 999, 49_000, 50_000], 0.01));
        let changed: Vec<u32> =
            whole.iter().filter(|byte| **byte != 0).map(|byte| byte.count_ones()).collect();
        assert!(changed.iter().all(|bits| *bits == 1));
        assert!((800..1200).contains(&changed.len()), "{}", changed.len());
    }

    #[test]
    fn a_byte_has_the_same_fate_whenever_the_fault_comes_on() {
        let whole = corrupted(0, &[50_000], 0.01);
        for offset in [1, 4095, 4096, 30_000] {
            assert_eq!(corrupted(offset as u64, &[50_000 - offset], 0.01), whole[offset..], "{offset}");
        }
    }

    #[test]
    fn the_share_of_changed_bytes_is_the_rate() {
        for rate in [0.0001, 0.001, 0.02, 0.5] {
            let changed = corrupted(0, &[4_000_000], rate).into_iter().filter(|byte| *byte != 0).count();
            let expected = 4_000_000.0 * rate;
            let deviation = (changed as f64 - expected).abs() / (expected * (1.0 - rate)).sqrt();
            assert!(deviation < 4.0, "{rate}: {changed} of {expected}");
        }
    }

    #[test]
    fn rates_at_the_ends() {
        assert!(Flips::new(0.0).is_none());
        assert!(corrupted(0, &[100, 100], 1.0).iter().all(|byte| byte.count_ones() == 1));
    }
}
