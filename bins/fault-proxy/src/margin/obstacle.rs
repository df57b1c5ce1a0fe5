//! Reasons why runs do not measure the fault: the command does not use the proxy, the upstream cannot be reached, the fault does not
//! act, or the command fails without it.

use std::collections::BTreeMap;
use std::fmt;

/// Number of consecutive runs without the upstream after which the measurement ends, unless `--repeat` is smaller.
const MAX_UNREACHED: u32 = 3;

/// Observations of the proxies during one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// True if the fault acted.
    pub(super) acted: bool,
    /// True if a client connected.
    pub(super) used: bool,
    /// Proxies with sessions, none of which reached the upstream, by their names.
    pub(super) unreached: BTreeMap<String, Unreached>,
}

/// An upstream that no session reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreached {
    pub(super) upstream: String,
    pub(super) reason: String,
}

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The command passes without connecting to a proxy.
    Unused,
    /// The command fails at the easy end, at `value`, before it connects to a proxy.
    FailsUnused {
        value: String,
        /// How the last run failed.
        status: String,
        /// Number of runs there.
        runs: u32,
    },
    /// The command fails while the upstream cannot be reached.
    Unreached(Unreached),
    /// The command passes at the hard end, at `value`, but the fault did not act there, because of the upstream if that could not be
    /// reached.
    Idle { fault: String, value: String, unreached: Option<Unreached> },
    /// The command fails at `value` although the fault does not act.
    Unrelated {
        fault: String,
        value: String,
        /// Number of such runs there, and of all runs there.
        runs: (u32, u32),
        /// True if the last such run connected to a proxy.
        used: bool,
    },
    /// A signal or an error ended the measurement.
    Aborted(String),
}

/// Use of a run for the search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Counts,
    /// The run failed without its upstream, so it does not measure the fault and is repeated.
    Repeats(Unreached),
    Ends(Obstacle),
}

/// Observations from the runs so far.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    is_used: bool,
    unreached_in_a_row: u32,
    /// Proxies without whose upstream the command passes.
    optional: BTreeMap<String, Unreached>,
}

impl Obstacles {
    /// Returns true if a client has connected in a run.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Returns the obstacle if the varied fault of these proxies did not act at `value`, the hard end, although the command passed.
    pub(super) fn idle<'a>(
        &self,
        fault: &str,
        value: String,
        mut proxies: impl Iterator<Item = &'a str>,
    ) -> Obstacle {
        let unreached = proxies.find_map(|name| self.optional.get(name)).cloned();
        Obstacle::Idle { fault: fault.to_owned(), value, unreached }
    }

    /// Judges the next run. `repeat` is the number of runs by which one result must lead.
    pub(super) fn judge(&mut self, passed: bool, observed: Observed, repeat: u32) -> Judged {
        self.is_used |= observed.used;
        if passed {
            self.unreached_in_a_row = 0;
            self.optional.extend(observed.unreached);
            return if self.is_used { Judged::Counts } else { Judged::Ends(Obstacle::Unused) };
        }
        let needed = observed.unreached.into_iter().find(|(name, _)| !self.optional.contains_key(name));
        let Some((_, unreached)) = needed else {
            self.unreached_in_a_row = 0;
            return Judged::Counts;
        };
        self.unreached_in_a_row += 1;
        if self.unreached_in_a_row < repeat.min(MAX_UNREACHED) {
            Judged::Repeats(unreached)
        } else {
            Judged::Ends(Obstacle::Unreached(unreached))
        }
    }
}

impl Obstacle {
    /// Returns what a user can do, with the variables of the command.
    pub(super) fn way_out(&self, variables: &[(String, String)]) -> String {
        match self {
            Self::Unused => {
                format!("Nothing was measured. Let the command connect to {}", addresses(variables))
            }
            Self::FailsUnused { .. } => {
                format!(
                    "Nothing was measured. Find out why the command fails, for example from its output. If it connects elsewhere, \
                     let it connect to {}",
                    addresses(variables)
                )
            }
            Self::Aborted(_) => "Nothing was measured.".to_owned(),
            Self::Unreached(_) => {
                "Nothing was measured, because the command fails without it. Start the upstream, or correct its address in the mapping."
                    .to_owned()
            }
            Self::Idle { unreached: Some(_), .. } => {
                "Nothing was measured. Start the upstream, or correct its address in the mapping.".to_owned()
            }
            Self::Unrelated { .. } => {
                "Nothing was measured. Find out from the output of the command why it fails, and make it pass without the fault. A fault \
                 acts only on the requests, sessions and times that it selects."
                    .to_owned()
            }
            Self::Idle { unreached: None, .. } => {
                "Nothing was measured. Vary a fault that acts on the traffic of the command, or let the command send more.".to_owned()
            }
        }
    }

    /// Returns the outcome in reports.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unused | Self::FailsUnused { .. } => "proxy_unused",
            Self::Unreached(_) => "upstream_unreached",
            Self::Idle { .. } => "fault_idle",
            Self::Unrelated { .. } => "fails_without_fault",
            Self::Aborted(_) => "aborted",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused => {
                f.write_str("the command does not use the proxy: it passes without connecting to it")
            }
            Self::FailsUnused { value, status, runs } => {
                write!(f, "fails at {value} without connecting to a proxy: {status} ({runs} of {runs})")
            }
            Self::Unreached(unreached) => unreached.fmt(f),
            Self::Aborted(error) => f.write_str(error),
            Self::Idle { fault, value, unreached: Some(unreached) } => {
                write!(f, "`{fault}` did not act at {value}, because {unreached}")
            }
            Self::Idle { fault, value, unreached: None } => {
                write!(
                    f,
                    "`{fault}` did not act at {value}: the command sends nothing that it acts on, or its draws spared all of it"
                )
            }
            Self::Unrelated { fault, value, runs: (unrelated, all), used } => {
                let why = if *used {
                    format!("although `{fault}` did not act")
                } else {
                    "without connecting to a proxy".to_owned()
                };
                write!(f, "fails at {value} {why} ({unrelated} of {all})")
            }
        }
    }
}

/// Names the variables with the addresses of the proxies, and their parts.
fn addresses(variables: &[(String, String)]) -> String {
    let addresses = variables.iter().filter(|(name, _)| name.ends_with("_ADDR"));
    let addresses: Vec<_> = addresses.map(|(name, addr)| format!("{name} ({addr})")).collect();
    format!(
        "the address in {}. The variables that end with _HOST and _PORT have its parts.",
        addresses.join(" or ")
    )
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstream {} could not be reached: {}", self.upstream, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead() -> Unreached {
        Unreached { upstream: "db:5432".to_owned(), reason: "refused".to_owned() }
    }

    fn observed(used: bool, unreached: &[&str]) -> Observed {
        let unreached = unreached.iter().map(|name| ((*name).to_owned(), dead())).collect();
        Observed { acted: false, used, unreached }
    }

    #[test]
    fn a_dead_upstream_ends_the_measurement_after_some_runs() {
        for (repeat, repeated) in [(1, 0), (2, 1), (3, 2), (100, 2)] {
            let mut obstacles = Obstacles::default();
            for _ in 0..repeated {
                let judged = obstacles.judge(false, observed(true, &["db"]), repeat);
                assert_eq!(judged, Judged::Repeats(dead()), "{repeat}");
            }
            let judged = obstacles.judge(false, observed(true, &["db"]), repeat);
            assert_eq!(judged, Judged::Ends(Obstacle::Unreached(dead())), "{repeat}");
        }
    }

    #[test]
    fn an_upstream_that_returns_ends_nothing() {
        let mut obstacles = Obstacles::default();
        for passed in [true, false] {
            assert_eq!(obstacles.judge(false, observed(true, &["db"]), 2), Judged::Repeats(dead()));
            assert_eq!(obstacles.judge(passed, observed(true, &[]), 2), Judged::Counts);
        }
    }

    #[test]
    fn an_upstream_without_which_the_command_passes_is_no_obstacle() {
        let mut obstacles = Obstacles::default();
        assert_eq!(obstacles.judge(true, observed(true, &["cache"]), 1), Judged::Counts);
        assert_eq!(obstacles.judge(false, observed(true, &["cache"]), 1), Judged::Counts);
        let idle = |proxies: &[&str]| {
            obstacles.idle("latency", "1 s".to_owned(), proxies.iter().copied()).to_string()
        };
        assert_eq!(idle(&["db", "cache"]), format!("`latency` did not act at 1 s, because {}", dead()));
        assert!(idle(&["db"]).contains("the command sends nothing that it acts on"), "{}", idle(&["db"]));
        let both = obstacles.judge(false, observed(true, &["cache", "db"]), 1);
        assert_eq!(both, Judged::Ends(Obstacle::Unreached(dead())));
    }

    #[test]
    fn a_command_that_passes_must_have_used_a_proxy_once() {
        let mut obstacles = Obstacles::default();
        assert_eq!(obstacles.judge(false, observed(false, &[]), 3), Judged::Counts);
        assert_eq!(obstacles.judge(true, observed(false, &[]), 3), Judged::Ends(Obstacle::Unused));
        assert_eq!(obstacles.judge(true, observed(true, &[]), 3), Judged::Counts);
        assert_eq!(obstacles.judge(true, observed(false, &[]), 3), Judged::Counts);
    }
}
