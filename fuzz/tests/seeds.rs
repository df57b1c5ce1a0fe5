//! Every seed through its check, and some thousand texts that are nearly seeds.

use std::fs;
use std::path::Path;

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

const NEIGHBORS: usize = 200;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

#[test]
fn every_seed_and_its_neighbors_pass() {
    let mut draws = Xoshiro256PlusPlus::seed_from_u64(1);
    for (target, check) in fuzz::TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() > 2, "{target} has no seeds");
        for seed in &seeds {
            check(seed);
            for _ in 0..NEIGHBORS {
                let other = &seeds[draws.random_range(0..seeds.len())];
                check(&neighbor(seed, other, &mut draws));
            }
        }
    }
}

/// The one with a byte changed, a part left out, or the other's end.
fn neighbor(one: &[u8], other: &[u8], draws: &mut impl Rng) -> Vec<u8> {
    let mut bytes = one.to_vec();
    let mut place = |len: usize| draws.random_range(0..=len);
    let (from, to, from_other, what) = (place(one.len()), place(one.len()), place(other.len()), place(2));
    match what {
        0 if from < bytes.len() => bytes[from] = draws.random(),
        1 => drop(bytes.drain(from.min(to)..from.max(to))),
        _ => {
            bytes.truncate(from);
            bytes.extend_from_slice(&other[from_other..]);
        }
    }
    bytes
}
