use anyhow::{Result, bail};
use clap::Args;
use proxy_fault::Fault;

use super::{FaultArgs, of_flags, run};
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
        let run = run(None, self.strict_schedules);
        for params in &self.faults.0 {
            if params.common.schedule.as_ref().is_some_and(|schedule| schedule.contains('%')) {
                bail!(
                    "--{}-sched: a percentage is of the run's duration, and this program runs until it is stopped: \
                     write a time such as 30s",
                    params.fault_type().name
                );
            }
        }
        let faults = self.faults.0.iter().map(|params| of_flags(params, &run)).collect::<Result<_>>()?;
        Ok(FaultSettings { faults, seed: self.seed })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        faults: FaultOptions,
    }

    fn resolve(args: &[&str]) -> Result<FaultSettings> {
        Cli::try_parse_from([&["test"], args].concat()).unwrap().faults.resolve()
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
