//! `cargo xtask test`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{cargo, packages};

/// Runs `cargo test --workspace` with `args` and ends as it ended.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    packages::install_missing(packages::TESTS)?;
    packages::install_newer_nats_server()?;
    packages::install_clients()?;
    let status =
        cargo().args(["test", "--workspace"]).args(args).status().context("cannot run cargo test")?;
    // no code means a signal ended it
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
