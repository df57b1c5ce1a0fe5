//! Random draws: each depends on the fault and on a place in the flow, and on no draw before it.

use rand::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;

use crate::direction::Direction;

/// The draws of one decision. Their values are the same on every machine and in every run.
pub(crate) type FaultRng = SplitMix64;

/// Names the draws of one fault in one direction of a session.
///
/// A draw is a function of this key and of an offset. So a flow that is cut into other chunks changes the draws only at
/// offsets that one of both cuts does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrawKey(u64);

impl DrawKey {
    /// The name identifies the fault, because its position among the others may change. A `direction` of `None` is for draws
    /// that hold for both directions.
    pub(crate) fn new(
        seed: u64,
        proxy: &str,
        session: u64,
        direction: Option<Direction>,
        fault: &str,
    ) -> Self {
        let direction: &[u8] = match direction {
            None => b"session",
            Some(Direction::ToUpstream) => b"to-upstream",
            Some(Direction::ToDownstream) => b"to-downstream",
        };
        let parts = [
            &seed.to_le_bytes()[..],
            proxy.as_bytes(),
            &session.to_le_bytes()[..],
            direction,
            fault.as_bytes(),
        ];
        Self(mixed(fnv1a(&parts)))
    }

    /// The draws of the decision about the byte at `offset`.
    pub(crate) fn at(self, offset: u64) -> FaultRng {
        // Without mixing, the draws of neighboring offsets would be parts of one sequence.
        FaultRng::seed_from_u64(self.0 ^ mixed(offset))
    }
}

/// A permutation of all 64-bit numbers whose values look random.
fn mixed(number: u64) -> u64 {
    SplitMix64::seed_from_u64(number).next_u64()
}

/// FNV-1a, 64 bits (RFC 9923), over the parts and their lengths.
fn fnv1a(parts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for part in parts {
        part.len().to_le_bytes().into_iter().for_each(&mut add);
        part.iter().copied().for_each(&mut add);
    }
    hash
}

#[cfg(test)]
mod tests;
