//! `cargo xtask bench nats`: the TCP tunnel of `nats-proxy-client` and `nats-proxy-server` against plain NATS clients.
//!
//! Each section answers one question: [`bulk`], [`round_trip`], [`crowd`], [`idle`], [`churn`], [`slow_reader`], [`links`].
//! Every measurement has a separate nats-server and processes ([`tunnel`], [`neighbor`]). Measurements that are compared
//! take turns ([`turns`]). [`streams`] is the load.

mod bulk;
mod churn;
mod crowd;
mod idle;
mod links;
pub(crate) mod neighbor;
mod round_trip;
mod scale;
mod slow_reader;
mod streams;
mod tunnel;
mod turns;

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use testkit::packages;

use self::scale::Scale;
use super::args::BenchArgs;
use super::{become_ready, report};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// One stream, binary.
    Bulk,
    /// One stream, JSON.
    Json,
    RoundTrip,
    /// Many concurrent streams.
    Crowd,
    /// Memory of idle sessions.
    Idle,
    /// Resources that remain after sessions have ended.
    Churn,
    SlowReader,
    /// Links with limited bandwidth and with long delay between the client and NATS.
    Links,
}

const PROGRAMS: [&str; 3] = ["nats-proxy-server", "nats-proxy-client", "fault-proxy"];

/// Builds the programs, measures them and prints the tables.
///
/// # Errors
/// Returns an error if a session loses a byte or does not respond in time.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    packages::install_missing(packages::TESTS)?;
    become_ready(&PROGRAMS)?;
    let scale = if args.quick { &scale::QUICK } else { &scale::FULL };
    let nats_server = report::first_line(Command::new(testkit::nats_server()).arg("--version"))?;
    report::print_heading(PROGRAMS[0], &[nats_server])?;
    println!("The figures are medians of the rounds.");
    let mut targets = Vec::new();
    for section in args.sections() {
        targets.extend(section.run(scale)?);
    }
    report::print_targets(&targets);
    Ok(())
}

impl Section {
    fn run(self, scale: &Scale) -> Result<Vec<report::Target>> {
        match self {
            Section::Bulk => bulk::binary(scale),
            Section::Json => bulk::json(scale),
            Section::RoundTrip => round_trip::run(scale),
            Section::Crowd => crowd::run(scale),
            Section::Idle => idle::run(scale),
            Section::Churn => churn::run(scale),
            Section::SlowReader => slow_reader::run(scale),
            Section::Links => links::run(scale),
        }
    }
}
