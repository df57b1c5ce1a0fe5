use anyhow::Result;
use clap::Args;
use proxy_fault::{Fault, Reading, Run};

use super::{FaultArgs, of_flags};
use crate::args::switch;

/// The flags of faults, and how they are drawn and read, for a program that runs until it is stopped.
#[derive(Debug, Default, Args)]
pub struct FaultOptions {
    /// Repeat the random draws of a run with this seed [default: a new one each run].
    #[arg(long, value_name = "N", env = "FAULT_SEED")]
    pub seed: Option<u64>,
    /// Read `start:30s;duration:3m` as two windows, and not as the one that was probably meant.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub strict_schedules: Option<bool>,
    /// The faults.
    #[command(flatten)]
    pub faults: FaultArgs,
}

/// The faults of all sessions, resolved.
#[derive(Debug, Clone)]
pub struct FaultSettings {
    /// At most one of a type.
    pub faults: Vec<Fault>,
    /// `None`: a new one.
    pub seed: Option<u64>,
}

impl FaultOptions {
    /// Warns of schedules that are read as what was probably meant.
    ///
    /// # Errors
    /// When a fault's parameter makes no sense or is missing; it is named as a flag.
    pub fn resolve(&self) -> Result<FaultSettings> {
        let reading =
            if self.strict_schedules.unwrap_or_default() { Reading::Strict } else { Reading::Usual };
        let run = Run { duration: None, reading };
        let faults = self.faults.0.iter().map(|params| of_flags(params, &run)).collect::<Result<_>>()?;
        Ok(FaultSettings { faults, seed: self.seed })
    }
}
