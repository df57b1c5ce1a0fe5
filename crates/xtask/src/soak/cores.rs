//! The property tests of the pure cores, with 20 times as many cases.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Soak;
use crate::{WORKSPACE, cargo};

const FACTOR: u32 = 20;
const DEFAULT_CASES: u32 = 256;
/// Groups of properties that run at the same time. A group with one long property leaves the second core idle.
const GROUPS_AT_ONCE: usize = 2;

/// Property tests: a crate, a part of the names of its unit tests, and the number of cases that each of them
/// runs in the normal tests.
///
/// `PROPTEST_CASES` overrides all numbers of cases that tests set, so tests with different numbers run
/// separately.
const PROPERTIES: &[(&str, &str, u32)] = &[
    // The longest group starts first, so that it does not run alone at the end.
    ("fault_proxy_nats", "session::tests::properties::", 1_000),
    ("fault_proxy_engine", "schedule::", 2_000),
    ("fault_proxy_engine", "pipeline::", DEFAULT_CASES),
    ("fault_proxy_engine", "loss::", DEFAULT_CASES),
    ("fault_proxy_engine", "block_buffer::", DEFAULT_CASES),
    ("fault_proxy_engine", "params::", DEFAULT_CASES),
    ("fault_proxy_engine", "units::", DEFAULT_CASES),
    ("fault_proxy_mapping", "parse::", 20_000),
    ("fault_proxy_nats", "message::", DEFAULT_CASES),
    ("fault_proxy_nats", "handshake::", DEFAULT_CASES),
    ("fault_proxy_nats", "legacy::", DEFAULT_CASES),
    ("fault_proxy_tls", "postgres::", DEFAULT_CASES),
    ("fault_proxy_tls", "preamble::", DEFAULT_CASES),
];

/// The unit tests of a crate that cargo has built.
#[derive(Debug)]
struct UnitTests {
    program: PathBuf,
    crate_folder: PathBuf,
}

/// Runs all of [`PROPERTIES`], [`GROUPS_AT_ONCE`] of them at a time.
///
/// # Errors
/// Returns an error if a program cannot be found or run. Records a property that fails in `soak`.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    let built = built_tests()?;
    let groups = Mutex::new(PROPERTIES.iter());
    let next = || groups.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run_groups = || -> Result<()> {
        while let Some((name, filter, cases)) = next() {
            run_group(soak, &UnitTests::find(&built, name)?, name, filter, cases * FACTOR)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let runners: Vec<_> = (0..GROUPS_AT_ONCE).map(|_| scope.spawn(run_groups)).collect();
        runners.into_iter().try_for_each(|runner| runner.join().expect("it only starts programs"))
    })
}

fn run_group(soak: &Soak, tests: &UnitTests, name: &str, filter: &str, cases: u32) -> Result<()> {
    let output = Command::new(&tests.program)
        .args([filter, "--quiet"])
        .current_dir(&tests.crate_folder)
        .env("PROPTEST_CASES", cases.to_string())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", tests.program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(!printed.contains(" 0 passed"), "{name} has no test whose name contains {filter}");
    if output.status.success() {
        println!("{name} {filter}: each property held in {cases} cases");
    } else {
        soak.wrong(format!("{name} {filter} with PROPTEST_CASES={cases}:\n{printed}"));
    }
    Ok(())
}

/// Returns cargo's messages about the tests of the workspace, which are already built.
fn built_tests() -> Result<Vec<Value>> {
    let output = cargo()
        .arg("test")
        .args(WORKSPACE)
        .args(["--no-run", "--quiet", "--message-format", "json"])
        .output()
        .context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

impl UnitTests {
    fn find(built: &[Value], name: &str) -> Result<Self> {
        let is_it = |message: &&Value| {
            message["target"]["name"] == name
                && message["target"]["kind"][0] == "lib"
                && message["profile"]["test"] == true
        };
        let message =
            built.iter().find(is_it).with_context(|| format!("cargo has built no tests of {name}"))?;
        let path = |value: &Value| value.as_str().map(PathBuf::from).context("cargo reported no path");
        let manifest = path(&message["manifest_path"])?;
        let crate_folder = manifest.parent().context("a manifest is in a folder")?.to_owned();
        Ok(Self { program: path(&message["executable"])?, crate_folder })
    }
}
