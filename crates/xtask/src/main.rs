//! The project's own commands, run as `cargo xtask <command>`.
//!
//! - [`mod@test`]: installs what the tests need ([`packages`]) and runs them.
//! - [`mod@bench`]: measures the relay of `fault-proxy` against HAProxy and nginx, and its faults against what was
//!   asked for, and the tunnel of the NATS programs against plain NATS clients.
//! - [`mod@soak`]: runs all of it while everything around it fails.
//! - [`mod@fuzz`]: runs the fuzz targets.
//! - [`demo`]: shows the NATS programs at work.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is the point of this program")]

mod api;
mod bench;
mod demo;
mod fuzz;
mod packages;
mod soak;
mod test;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

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
    #[command(subcommand)]
    Bench(bench::Subject),
    /// Runs both halves with real clients, while faults, outages and shortages come and go, and checks every byte.
    Soak(soak::SoakArgs),
    /// Runs the fuzz targets, one after another, and keeps what they find below target/fuzz.
    Fuzz(fuzz::FuzzArgs),
    /// Shows programs at work, with real servers.
    #[command(subcommand)]
    Demo(Demo),
    /// The service the benchmarks' connections end at; prints the address it listens on.
    #[command(hide = true)]
    BenchFarEnd(bench::far_end::FarEndArgs),
    /// A plain NATS client, which the benchmarks compare with.
    #[command(hide = true)]
    NatsNeighbour {
        /// Of the server.
        url: String,
        #[command(subcommand)]
        role: bench::nats::neighbour::Role,
    },
}

#[derive(Debug, Subcommand)]
enum Demo {
    /// Redis over NATS, and a NATS server that is killed meanwhile; some seconds.
    Nats,
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().command {
        Task::Test { args } => test::run(&args),
        Task::Bench(bench::Subject::Relay(args)) => bench::relay(&args).map(|()| ExitCode::SUCCESS),
        Task::Bench(bench::Subject::Tls(args)) => bench::tls::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Bench(bench::Subject::Faults(args)) => bench::faults::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Bench(bench::Subject::Control(args)) => bench::control::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Bench(bench::Subject::Nats(args)) => bench::nats::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Soak(args) => soak::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Fuzz(args) => fuzz::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Demo(Demo::Nats) => demo::nats::run().map(|()| ExitCode::SUCCESS),
        Task::NatsNeighbour { url, role } => {
            bench::nats::neighbour::play(&url, &role).map(|()| ExitCode::SUCCESS)
        }
        Task::BenchFarEnd(args) => bench::far_end::run(args).map(|()| ExitCode::SUCCESS),
    }
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
