//! `cargo xtask bench control`: cost, reaction time and load limits of the control plane of `fault-proxy`.
//!
//! Each section answers one question: [`cost`], [`effect`], [`soak`].

mod controlled;
mod cost;
mod effect;
mod soak;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::args::BenchArgs;
use super::{become_ready, report};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Cost,
    Effect,
    Soak,
}

/// Amounts of one run.
#[derive(Debug)]
struct Scale {
    rounds: usize,
    bulk_bytes: u64,
    pings: usize,
    connecting: Duration,
    /// Times that a fault is added and removed.
    changes: usize,
    soaking: Duration,
}

const FULL: Scale = Scale {
    rounds: 9,
    bulk_bytes: 4_000_000_000,
    pings: 20_000,
    connecting: Duration::from_secs(2),
    changes: 2_000,
    soaking: Duration::from_secs(600),
};

const QUICK: Scale = Scale {
    rounds: 1,
    bulk_bytes: 400_000_000,
    pings: 4_000,
    connecting: Duration::from_millis(500),
    changes: 100,
    soaking: Duration::from_secs(10),
};

/// Builds fault-proxy, measures its control plane and prints the tables.
///
/// # Errors
/// Returns an error that names the problem if a call fails, or a session breaks although no fault ends it.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    become_ready(&["fault-proxy"])?;
    let scale = if args.quick { &QUICK } else { &FULL };
    report::print_heading("fault-proxy", &[])?;
    let mut targets = Vec::new();
    for section in args.sections() {
        targets.extend(match section {
            Section::Cost => cost::run(scale)?,
            Section::Effect => effect::run(scale)?,
            Section::Soak => soak::run(scale)?,
        });
    }
    report::print_targets(&targets);
    Ok(())
}
