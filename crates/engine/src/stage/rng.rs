//! Random draws. Each depends on the fault and on an offset in the flow, but not on earlier draws.

use rand::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;

use crate::direction::Direction;

/// Random number generator of one decision. Its values are the same on every machine and in every run.
pub(crate) type FaultRng = SplitMix64;

/// Identifies the draws of one fault in one direction of a session.
///
/// A draw is a function of this key and an offset. If a flow is divided into other chunks, only the draws at
/// offsets that one of the two divisions does not have change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrawKey(u64);

impl DrawKey {
    /// Creates the key. The name identifies the fault, because its position among the others may change. A
    /// `direction` of `None` is for draws that apply to both directions.
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

    /// Returns the generator for the decision about the byte at `offset`.
    pub(crate) fn at(self, offset: u64) -> FaultRng {
        // Without mixing, the draws of neighboring offsets would be parts of one sequence.
        FaultRng::seed_from_u64(self.0 ^ mixed(offset))
    }
}

/// Maps `number` to a random-looking number. The mapping is a permutation of all 64-bit numbers.
fn mixed(number: u64) -> u64 {
    SplitMix64::seed_from_u64(number).next_u64()
}

/// Returns the FNV-1a hash (64 bits, RFC 9923) of the parts and their lengths.
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
