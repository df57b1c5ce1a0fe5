//! `cargo xtask test`: installs packages and runs the tests.

use std::env;
use std::ffi::OsString;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::Result;
use testkit::packages;

use crate::{WORKSPACE, cargo, run_to_end};

/// Environment variable with the number of tests that a test program runs in parallel.
const THREADS: &str = "RUST_TEST_THREADS";
/// Most tests wait for servers and clocks. With one test per core, the cores would be idle nine tenths of the
/// time.
const TESTS_PER_CORE: usize = 3;

/// Runs `cargo test` with `args` and returns its exit code. Tests the whole workspace unless `args` select
/// packages.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    packages::install_missing(packages::TESTS)?;
    packages::install_newer_nats_server()?;
    packages::install_clients()?;
    let all = if selects_packages(args) { &[] } else { &WORKSPACE[..] };
    let mut test = cargo();
    test.arg("test").args(all).args(args);
    if env::var_os(THREADS).is_none() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        test.env(THREADS, (cores * TESTS_PER_CORE).to_string());
    }
    run_to_end(&mut test)
}

/// Returns true for `-p`, `-pNAME`, `--package` and `--package=NAME`. If `--workspace` were added to them,
/// cargo would test the whole workspace.
fn selects_packages(args: &[OsString]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .filter_map(|arg| arg.to_str())
        .any(|arg| arg == "--package" || arg.starts_with("--package=") || arg.starts_with("-p"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(args: &[&str]) -> bool {
        selects_packages(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn packages_are_selected_before_the_arguments_of_the_tests() {
        assert!(
            selects(&["-p", "fault-proxy-tls"])
                && selects(&["-pproxy-tls"])
                && selects(&["--package=fault-proxy-tls"])
        );
        assert!(!selects(&[]) && !selects(&["--test", "relay"]) && !selects(&["--", "-p"]));
    }
}
