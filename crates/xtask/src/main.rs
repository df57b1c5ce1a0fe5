//! The project's own commands, run as `cargo xtask <command>`.
//!
//! - [`mod@test`]: installs what the tests need and runs them.
//! - `bench`: starts the package `proxy-bench`, which is not a part of this program, so that tests do not wait for its build.
//! - [`mod@soak`]: runs all of it while everything around it fails.
//! - [`mod@fuzz`]: runs the fuzz targets.
//! - [`demo`]: shows the NATS programs at work.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is the point of this program")]

mod demo;
mod fuzz;
mod soak;
mod test;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "The project's own commands")]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs the packages the tests need, then runs the tests of the whole workspace.
    Test {
        /// Passed on to `cargo test`.
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Measures, prints Markdown tables.
    #[command(disable_help_flag = true)]
    Bench {
        /// What to measure; `--help` lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Runs both halves with real clients, while faults, outages and shortages come and go, and checks every byte.
    Soak(soak::SoakArgs),
    /// Runs the fuzz targets, one after another, and keeps what they find below target/fuzz.
    Fuzz(fuzz::FuzzArgs),
    /// Shows programs at work, with real servers.
    #[command(subcommand)]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
enum Demo {
    /// Redis over NATS while a NATS server is killed; takes some seconds.
    Nats,
}

fn main() -> Result<ExitCode> {
    match Args::parse().command {
        Task::Test { args } => test::run(&args),
        Task::Bench { args } => run_to_end(
            cargo().args(["run", "--profile", "dist", "--package", "proxy-bench", "--"]).args(args),
        ),
        Task::Soak(args) => soak::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Fuzz(args) => fuzz::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Demo(Demo::Nats) => demo::nats::run().map(|()| ExitCode::SUCCESS),
    }
}

/// Arguments of cargo for the whole workspace as it is tested: with the features of archives and images.
const WORKSPACE: [&str; 3] = ["--workspace", "--features", "jemalloc,otlp"];

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Ends as `command` ended.
fn run_to_end(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    // no code means a signal ended it
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
