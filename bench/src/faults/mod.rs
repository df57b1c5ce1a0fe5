//! `cargo xtask bench faults`: what the faults of `fault-proxy` do against what was asked for.
//!
//! A section a question: [`latency`], [`pipeline`], [`bandwidth`], [`loss`], [`cpu`]. Both ends of the measured paths
//! ([`path`]) are in this process, so that one clock stamps what is sent and what arrives; only [`cpu`] takes the far
//! end and the load of `bench relay`. All faults apply to requests: bytes to the far end.
//!
//! What the sections share: [`greedy`] sends as much as a path takes, [`arrivals`] counts what arrived when,
//! [`verdict`] judges. [`loss`] compares with a [`lossy_path`] of the kernel's, made of [`namespace`]s and a
//! [`delay_line`].

mod arrivals;
mod bandwidth;
mod cpu;
mod delay_line;
mod greedy;
mod latency;
mod loss;
mod lossy_path;
mod namespace;
mod one_way;
mod path;
mod pipeline;
mod scale;

use anyhow::Result;
use clap::ValueEnum;

use self::scale::Scale;
use super::args::BenchArgs;
use super::{become_ready, report, verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Latency,
    Pipeline,
    Bandwidth,
    Loss,
    Cpu,
}

/// Builds fault-proxy, measures its faults and prints the tables.
///
/// # Errors
/// A fault that loses a byte or does not let one through in time ends the benchmark with an error that names it.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    become_ready(&["fault-proxy"])?;
    let scale = if args.quick { &scale::QUICK } else { &scale::FULL };
    report::print_heading("fault-proxy", &[])?;
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
            Section::Latency => latency::run(scale),
            Section::Pipeline => pipeline::run(scale),
            Section::Bandwidth => bandwidth::run(scale),
            Section::Loss => loss::run(scale),
            Section::Cpu => cpu::run(scale),
        }
    }
}

/// Flags that put `fault` on requests, the same in every run.
fn on_requests(faults: &[&str]) -> String {
    let mut flags = vec!["--seed 1 --no-ui"];
    flags.extend(faults);
    flags.join(" ")
}

/// Returns the flags for a constant latency in milliseconds on requests.
fn latency_flags(millis: u64) -> String {
    format!(
        "--with-latency --latency-side server --latency-direction egress --latency-distribution constant \
         --latency-mean {millis}"
    )
}

/// Returns the flags for a rate in bytes per second on requests, with a burst of 10 ms.
fn bandwidth_flags(rate: u64) -> String {
    format!(
        "--with-bandwidth --bandwidth-side server --bandwidth-direction egress --bandwidth-rate {rate} \
         --bandwidth-unit Bps --bandwidth-burst {}",
        rate / 100
    )
}
