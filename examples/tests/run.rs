//! Runs every example, as a reader would.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo builds a package's examples before its tests, beside the test's own directory.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    target.join("examples").join(name)
}

#[test]
fn embed_relay_says_what_it_relayed() {
    let output = Command::new(example("embed_relay")).output().expect("built with the tests");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 bytes there, 14 back\n");
}
