//! Every seed of the fuzz target, through the fuzz target's own check.

use std::fs;
use std::path::Path;

#[path = "../fuzz/check.rs"]
mod check;

#[test]
fn every_seed_passes_the_fuzz_check() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/parse");
    let mut count = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        let bytes = fs::read(seed.unwrap().path()).unwrap();
        check::check(&String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count >= 12, "only {count} seeds");
}
