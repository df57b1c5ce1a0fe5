//! Random draws: a stream of its own for each (seed, proxy, session, direction, fault).

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::effect::Direction;

/// A stream of draws whose values are the same on every machine and in every run.
pub(crate) type Draws = Xoshiro256PlusPlus;

/// The stream of one fault in one direction of a session; `None` for what is drawn once for both directions.
pub(crate) fn stream(
    seed: u64,
    proxy: &str,
    session: u64,
    direction: Option<Direction>,
    fault: &str,
) -> Draws {
    let direction: &[u8] = match direction {
        None => b"session",
        Some(Direction::ToUpstream) => b"to-upstream",
        Some(Direction::ToDownstream) => b"to-downstream",
    };
    let parts =
        [&seed.to_le_bytes()[..], proxy.as_bytes(), &session.to_le_bytes()[..], direction, fault.as_bytes()];
    Draws::seed_from_u64(fnv1a(&parts))
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
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn each_part_of_the_name_makes_another_stream() {
        use Direction::{ToDownstream, ToUpstream};
        let mut firsts: Vec<u64> = [
            stream(1, "db", 1, Some(ToUpstream), "latency"),
            stream(2, "db", 1, Some(ToUpstream), "latency"),
            stream(1, "cache", 1, Some(ToUpstream), "latency"),
            stream(1, "db", 2, Some(ToUpstream), "latency"),
            stream(1, "db", 1, Some(ToDownstream), "latency"),
            stream(1, "db", 1, None, "latency"),
            stream(1, "db", 1, Some(ToUpstream), "jitter"),
        ]
        .iter_mut()
        .map(Rng::next_u64)
        .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 7);
    }

    #[test]
    fn the_draws_of_a_seed_never_change() {
        let mut draws = stream(7, "db", 1, Some(Direction::ToUpstream), "latency");
        assert_eq!(
            [draws.next_u64(), draws.next_u64()],
            [2_268_468_499_319_927_753, 1_225_782_876_030_403_492]
        );
    }
}
