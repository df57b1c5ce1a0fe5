//! nats-proxy-client: carries TCP connections over NATS to a nats-proxy-server.
//!
//! - `args`: the command line; `config`: that, the environment and a file, resolved; `wire`: what they mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what a program is for")]

mod args;
mod config;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use proxy_cli::log::Log;
use tracing::debug;

use crate::args::Cli;
use crate::config::{Config, Settings};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit codes besides 0.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    match prepare(proxy_cli::args::parse()) {
        Ok((settings, log)) => match wire::run(settings) {
            Ok(table) => {
                println!("{table}");
                drop(log);
                ExitCode::SUCCESS
            }
            Err(error) => complain(&error, FAILED),
        },
        Err(error) => complain(&error, WRONG_USAGE),
    }
}

/// Everything that can be wrong before anything runs.
fn prepare(cli: Cli) -> Result<(Settings, Log)> {
    let (config, log) = Config::load(cli)?;
    let log = Log::init(&log)?;
    if let Some(file) = &config.file {
        debug!("settings of {}", file.display());
    }
    Ok((Settings::resolve(config)?, log))
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("nats-proxy-client: {error:#}");
    ExitCode::from(code)
}
