//! Arguments of `margin`.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{Arg, Args};
use proxy_cli::args::{Time, whole_number};

use super::RunArgs;
use crate::ctl::complete;

/// Flags of `run` without a meaning for `margin`. Those of a file and variables are ignored.
const OF_RUNS: [&str; 13] = [
    "control",
    "control_insecure",
    "control_token",
    "count_requests",
    "drain_timeout",
    "duration",
    "expect",
    "journal",
    "metrics",
    "no_ui",
    "strict",
    "tail",
    "toxiproxy_config",
];

const OWN: [&str; 5] = ["vary", "resolution", "repeat", "at_least", "timeout"];

/// Default of --timeout.
const TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(crate) struct MarginArgs {
    /// Parameter to vary, from a value at which the command passes to one at which it fails, for example latency.mean=0..5s,
    /// packet-loss.rate=0..20% or bandwidth.rate=1MBps..10KBps.
    ///
    /// `fault-proxy faults` lists the faults, and `fault-proxy faults NAME` the parameters of one. Other parameters of the fault, and
    /// other faults that stay the same, are flags as for `fault-proxy run`: --with-latency --latency-on select.
    #[arg(long, value_name = "FAULT.PARAM=EASY..HARD", add = complete::parameters())]
    pub(crate) vary: Vary,
    /// Distance of the values that can be tested [default: a hundredth of the range].
    #[arg(long, value_name = "VALUE")]
    pub(crate) resolution: Option<String>,
    /// A value passes or fails when the command has passed or failed this many times more than the opposite [default: 3].
    #[arg(long, value_name = "N", value_parser = whole_number(1..=100_u32))]
    pub(crate) repeat: Option<u32>,
    /// Exit with code 3 unless the command passes up to this value.
    #[arg(long, value_name = "VALUE")]
    pub(crate) at_least: Option<String>,
    /// Time limit of each run of the command; a run that takes longer has failed [default: 10m].
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Time>,
    /// Command to run, with its arguments. It finds the proxy at FAULT_PROXY_ADDR.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl MarginArgs {
    /// Runs by which one result must lead.
    pub(crate) fn repeat(&self) -> u32 {
        self.repeat.unwrap_or(3)
    }

    /// Time limit of each run.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, |Time(time)| time)
    }
}

/// A parameter and the ends of its range, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vary {
    /// Type or name of the fault.
    pub(crate) fault: String,
    pub(crate) parameter: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(left, ends)| {
            let (fault, parameter) = left.rsplit_once('.')?;
            let (from, to) = ends.split_once("..")?;
            Some([fault, parameter, from, to].map(|part| part.trim().to_owned()))
        });
        match parts {
            Some([fault, parameter, from, to])
                if ![&fault, &parameter, &from, &to].iter().any(|part| part.is_empty()) =>
            {
                Ok(Self { fault, parameter, from, to })
            }
            _ => Err("expected FAULT.PARAM=EASY..HARD, as in latency.mean=0..5s".to_owned()),
        }
    }
}

/// Changes a flag: those of runs without a meaning for `margin` are refused and hidden, and their variables are ignored, as are those of
/// the flags of `margin` itself, which belong to one command line.
pub(super) fn for_margin(arg: Arg) -> Arg {
    let without_variable = |arg: Arg| arg.env(Resettable::<clap::builder::OsStr>::Reset);
    match arg.get_id().as_str() {
        id if OF_RUNS.contains(&id) => without_variable(arg).hide(true).conflicts_with("vary"),
        id if OWN.contains(&id) => without_variable(arg),
        "junit" => arg.help("Write the result to this file as a test case, as JUnit XML [default: none]"),
        "report" => arg.help("Write the result to this file as JSON [default: none]"),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_a_fault_and_two_ends() {
        let vary = |fault: &str, parameter: &str, from: &str, to: &str| {
            let [fault, parameter, from, to] = [fault, parameter, from, to].map(str::to_owned);
            Ok(Vary { fault, parameter, from, to })
        };
        assert_eq!("latency.mean=0..5s".parse(), vary("latency", "mean", "0", "5s"));
        assert_eq!("packet-loss.rate=0.5%..20%".parse(), vary("packet-loss", "rate", "0.5%", "20%"));
        assert_eq!("a.b.mean=0...5".parse(), vary("a.b", "mean", "0", ".5"));
        for text in
            ["latency.mean", "latency=0..5s", "latency.mean=5s", ".mean=0..5s", "latency.mean=..5s", ""]
        {
            assert!(text.parse::<Vary>().is_err(), "{text}");
        }
    }
}
