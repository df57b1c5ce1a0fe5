//! `cargo xtask bench faults`: accuracy and cost of the faults of `fault-proxy`.
//!
//! Each section answers one question: [`latency`], [`pipeline`], [`bandwidth`], [`loss`], [`cpu`]. Both ends
//! of the measured paths ([`path`]) are in this process, so that the same clock measures sending and arrival.
//! Only [`cpu`] uses the far end and the load of `bench relay`. All faults apply to requests: bytes to the
//! far end.
//!
//! Shared modules: [`greedy`] sends as much as a path accepts, [`arrivals`] evaluates arrival times, and
//! [`verdict`] checks targets. [`loss`] compares with a [`lossy_path`] of the kernel, which consists of
//! [`namespace`]s and a [`delay_line`].

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
/// Returns an error that names the fault if bytes are lost or do not arrive in time.
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

/// Returns flags that apply faults to requests, with a fixed seed.
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
