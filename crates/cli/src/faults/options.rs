use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::ArgAction::Set;
use clap::Args;
use fault_proxy_engine::{Fault, FaultParams, ParseMode, ScheduleContext};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::resolve::read_file;
use super::{FaultArgs, from_flags, idle_reason};
use crate::args::{switch, whole_number};

/// Flags that apply to all faults. They are also keys at the top level of fault-proxy's file.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultOptions {
    /// Seed of all random decisions; a run with the same seed repeats them [default: a new seed for each run].
    #[arg(long, value_name = "N", env = "FAULT_SEED", value_parser = whole_number(0..=u64::MAX))]
    pub seed: Option<u64>,
    /// Read `start:30s;duration:3m` as two windows instead of one.
    #[arg(long, action = Set, env = "FAULT_STRICT_SCHEDULES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub strict_schedules: bool,
}

/// The faults of all sessions, resolved.
#[derive(Debug, Clone)]
pub struct FaultSettings {
    /// Faults, at most one of each type.
    pub faults: Vec<Fault>,
    /// Seed of the run, or `None` for a new seed.
    pub seed: Option<u64>,
}

impl FaultOptions {
    /// Resolves the faults of flags, for a program that runs until it is stopped. Warns about schedules
    /// with merged periods, and about faults that never act.
    ///
    /// # Errors
    /// Returns an error that names the flag if a parameter is invalid or missing.
    pub fn resolve(&self, faults: &FaultArgs) -> Result<FaultSettings> {
        for params in &faults.0 {
            if params.common.schedule.as_ref().is_some_and(|schedule| schedule.contains('%')) {
                bail!(
                    "--{}-sched: a percentage is of the run's duration, and this program runs until it is stopped: \
                     write a time such as 30s",
                    params.fault_type().name
                );
            }
        }
        let run = self.run(None);
        let resolve = |params: &FaultParams| {
            let fault = from_flags(params, &run)?;
            let checked = fault.check_protocol(None);
            checked.map_err(|_| {
                let name = params.fault_type().name;
                anyhow!(
                    "--{name}-on: this program does not read requests; use fault-proxy for faults on requests"
                )
            })?;
            Ok(fault)
        };
        let faults = faults.0.iter().map(resolve).collect::<Result<Vec<_>>>()?;
        for fault in &faults {
            if let Some(reason) = idle_reason(fault, None) {
                warn!(fault = fault.name, reason, "fault never acts: {reason}");
            }
        }
        Ok(FaultSettings { faults, seed: self.seed })
    }

    /// Returns the context for resolving the parameters of faults in a run of this duration.
    pub fn run(&self, duration: Option<Duration>) -> ScheduleContext {
        let reading = if self.strict_schedules { ParseMode::Strict } else { ParseMode::Lenient };
        ScheduleContext { duration, parse_mode: reading, read_file }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Given;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Given<FaultOptions>,
        #[command(flatten)]
        faults: FaultArgs,
    }

    fn resolve(args: &[&str]) -> Result<FaultSettings> {
        let Cli { options, faults } = Cli::try_parse_from([&["test"], args].concat()).unwrap();
        options.over(FaultOptions::default()).unwrap().resolve(&faults)
    }

    #[test]
    fn faults_are_those_of_flags() {
        let args = ["--with-refuse", "--refuse-sched", "start:5s;duration:2s", "--seed", "7"];
        let windows = |args: &[&str]| resolve(args).unwrap().faults[0].windows.iter().count();
        assert_eq!(windows(&args), 1);
        assert_eq!(windows(&[&args[..], &["--strict-schedules"]].concat()), 2);
        assert_eq!(resolve(&args).unwrap().seed, Some(7));
    }

    #[test]
    fn a_run_without_a_duration_has_no_percentages() {
        let refused = resolve(&["--with-refuse", "--refuse-sched", "start:10%"]).unwrap_err().to_string();
        assert!(refused.contains("--refuse-sched") && refused.contains("such as 30s"), "{refused}");
    }
}
