//! `cargo xtask bench`: the cost of the project's programs and the accuracy of their faults, as Markdown tables.
//!
//! `relay` compares the relay of `fault-proxy` with HAProxy, nginx and a direct connection, and `tls` does
//! the same over [`mod@tls`]. `faults` compares its [`faults`] with their configuration, `control` measures
//! its [`control`] plane, `protocol` measures the cost of reading requests ([`mod@protocol`]), and `nats`
//! compares the tunnel of the [`nats`] programs with plain NATS clients.
//!
//! The peers of the relay are all measured in one run and in turn ([`rounds`]), with the same load ([`load`])
//! and the same far end ([`far_end`]). Every measurement has separate processes ([`peers`]). Each section
//! answers one question: [`bulk`], [`round_trip`], [`connections`], [`system_calls`], [`idle`], [`growth`].
//! [`report`] collects the results and checks the targets.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is the point of this program")]

mod args;
mod bulk;
mod connections;
mod control;
mod far_end;
mod faults;
mod growth;
mod idle;
mod load;
mod nats;
mod peers;
mod protocol;
mod report;
mod round_trip;
mod rounds;
mod scale;
mod system_calls;
mod tls;
mod verdict;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::packages;

use self::args::BenchArgs;
use self::rounds::Comparison;
use self::scale::Scale;

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", about = "Run benchmarks and print the results as Markdown tables")]
enum Task {
    /// Compare the relay of fault-proxy with HAProxy and nginx.
    Relay(BenchArgs<Section>),
    /// Compare TLS to the upstream of fault-proxy with HAProxy and nginx.
    Tls(BenchArgs<tls::Section>),
    /// Compare the faults of fault-proxy with their configuration.
    Faults(BenchArgs<faults::Section>),
    /// Measure cost, reaction time and load limits of the control plane of fault-proxy.
    Control(BenchArgs<control::Section>),
    /// Measure the cost of reading requests in fault-proxy.
    Protocol(BenchArgs<protocol::Section>),
    /// Compare the TCP tunnel of nats-proxy-client and nats-proxy-server with plain NATS clients.
    Nats(BenchArgs<nats::Section>),
    /// Run the service at the end of measured connections. It prints its address.
    #[command(hide = true)]
    FarEnd(far_end::FarEndArgs),
    /// Run a plain NATS client, with which the benchmarks compare.
    #[command(hide = true)]
    NatsNeighbor {
        /// URL of the NATS server.
        url: String,
        #[command(subcommand)]
        role: nats::neighbor::Role,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Bulk,
    RoundTrip,
    Connections,
    SystemCalls,
    Idle,
    Growth,
}

/// Open files of a proxy with 9,000 sessions, with some reserve.
const DESCRIPTORS: u64 = 20_000;

fn main() -> Result<()> {
    match Task::parse() {
        Task::Relay(args) => relay(&args),
        Task::Tls(args) => tls::run(&args),
        Task::Faults(args) => faults::run(&args),
        Task::Control(args) => control::run(&args),
        Task::Protocol(args) => protocol::run(&args),
        Task::Nats(args) => nats::run(&args),
        Task::FarEnd(args) => far_end::run(args),
        Task::NatsNeighbor { url, role } => nats::neighbor::play(&url, &role),
    }
}

/// Builds and measures the programs, and prints the tables.
///
/// # Errors
/// Returns an error that names the proxy if it loses a byte or does not respond.
fn relay(args: &BenchArgs<Section>) -> Result<()> {
    packages::install_missing(packages::COUNTING)?;
    let scale = prepare_comparison(args.quick)?;
    let mut targets = Vec::new();
    for section in args.sections() {
        targets.extend(section.run(scale)?);
    }
    report::print_targets(&targets);
    Ok(())
}

/// Builds fault-proxy, installs the proxies that it is compared with, and prints the versions of all.
fn prepare_comparison(is_quick: bool) -> Result<&'static Scale> {
    packages::install_missing(packages::TESTS)?;
    become_ready(&["fault-proxy"])?;
    report::print_heading(
        "fault-proxy",
        &[
            report::first_line(Command::new(testkit::require("haproxy", "haproxy")).arg("-v"))?,
            report::first_line(Command::new(testkit::require("nginx", "nginx")).arg("-v"))?,
        ],
    )?;
    println!("The figures are medians of the rounds; errors are their sums.");
    Ok(if is_quick { &scale::QUICK } else { &scale::FULL })
}

impl Section {
    fn run(self, scale: &Scale) -> Result<Vec<report::Target>> {
        match self {
            Section::Bulk => bulk::run(scale),
            Section::RoundTrip => round_trip::run(scale),
            Section::Connections => connections::run(&Comparison::RELAY, scale, Some(1.1)),
            Section::SystemCalls => system_calls::run(scale),
            Section::Idle => idle::run(scale),
            Section::Growth => growth::run(scale).map(|()| Vec::new()),
        }
    }
}

/// Builds the `measured` packages and raises the limit of open files.
fn become_ready(measured: &[&str]) -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "the load must not be slower than what it measures: use cargo xtask bench"
    );
    for package in measured {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let status = build
            .args(["build", "--profile", "dist", "--features", "jemalloc", "--package", package])
            .status()?;
        ensure!(status.success(), "cannot build {package}");
    }
    raise_descriptor_limit()
}

/// Returns `target/dist`, if this program is in `target/<profile>`.
fn dist_directory() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find this program")?;
    Ok(this.ancestors().nth(2).context("this program is in no target directory")?.join("dist"))
}

/// Raises the limit of open files for this process and the processes that it starts.
fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= DESCRIPTORS),
        "the benchmark needs a limit of {DESCRIPTORS} open files: raise the hard one (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: limit.maximum })
        .context("cannot raise the limit of open files")
}
