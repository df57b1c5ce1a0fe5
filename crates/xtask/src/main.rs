//! Development tasks of the project, run as `cargo xtask TASK`.
//!
//! - [`mod@test`]: installs what the tests need and runs them.
//! - `bench`: starts the package `proxy-bench`, which is a separate program, so that tests do not wait for
//!   its build.
//! - [`mod@soak`]: runs the programs under load while their servers and resources fail.
//! - [`mod@fuzz`]: runs the fuzz targets.
//! - [`demo`]: demonstrates the NATS programs.
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
#[command(bin_name = "cargo xtask", about = "Development tasks of the project")]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs the packages the tests need, then runs the tests of the whole workspace.
    Test {
        /// Arguments for `cargo test`.
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Runs benchmarks and prints the results as Markdown tables.
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benchmarks; --help lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Runs fault-proxy and the NATS programs with real clients during faults, outages and shortages, and
    /// checks every byte.
    Soak(soak::SoakArgs),
    /// Runs the fuzz targets one after the other, and keeps their findings below target/fuzz.
    Fuzz(fuzz::FuzzArgs),
    /// Demonstrates programs with real servers.
    #[command(subcommand)]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
enum Demo {
    /// Connects to Redis over NATS while a NATS server is killed; takes some seconds.
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

/// Arguments of cargo for the whole workspace with the features of archives and images, as in tests.
const WORKSPACE: [&str; 3] = ["--workspace", "--features", "jemalloc,otlp"];

/// Returns a command for the cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` to its end. Returns its exit code.
fn run_to_end(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    // A command without an exit code was ended by a signal.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
