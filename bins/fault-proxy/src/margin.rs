//! The command `margin`, which finds the value of a parameter from which a command fails.
//!
//! | module | what it is |
//! |---|---|
//! | `search` | chooses values and decides on results, without doing anything |
//! | `confidence` | how far results can be trusted |
//! | `range` | values between two ends |
//! | `network` | the proxies of one run |
//! | `command` | one run of the command |
//! | `measurement` | the runs, one after the other |
//! | `obstacle` | reasons why runs do not measure the fault |
//! | `wording`, `report` | the result for people and programs |

mod command;
mod confidence;
mod measurement;
mod network;
mod obstacle;
mod range;
mod report;
mod search;
mod wording;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use fault_proxy_engine::ScheduleContext;
use proxy_cli::args::Given;
use proxy_cli::log::{Log, LogArgs};
use proxy_cli::signals::Signals;
use proxy_cli::terminal::{counted, print, print_error, print_line};
use proxy_cli::workers::runtime;
use tracing::info;

use self::command::{Failure, NotStarted};
use self::measurement::Measurement;
use self::obstacle::Obstacle;
use self::range::Range;
pub(crate) use self::range::is_numeric;
use self::search::{Outcome, Search};
use crate::args::MarginArgs;
use crate::config::{Config, Settings, VariedFault, refuse_unused_tls};
use crate::report::{ReportFiles, Verdict, all, summary_file};
use crate::run::NOT_AS_EXPECTED;
use crate::wire::Wire;

/// Time from a signal until files and pipes are given up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Place of the easy end.
const EASY: u32 = 0;

/// Exit code if nothing was measured.
const NOT_MEASURED: u8 = 1;

/// Everything that a measurement needs, checked.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    args: &'a MarginArgs,
    settings: Settings,
    wire: Arc<Wire>,
    varied: VariedFault,
    range: Range,
    schedules: ScheduleContext,
    /// Place of the value of --at-least.
    at_least: Option<u32>,
    _log: Log,
}

/// A search that is done.
#[derive(Debug)]
struct Measured {
    search: Search,
    outcome: Result<Outcome, Obstacle>,
    /// Error that ended the measurement.
    error: Option<Error>,
    failures: Failures,
    /// Variables of the last run.
    variables: Vec<(String, String)>,
    seed: u64,
    runs: u64,
}

/// The last failure at each value.
#[derive(Debug, Default)]
struct Failures {
    counted: BTreeMap<u32, Failure>,
    /// Failures of runs in which the fault did not act.
    unrelated: BTreeMap<u32, Failure>,
}

impl<'a> Plan<'a> {
    /// Checks all arguments.
    ///
    /// # Errors
    /// One of them, or another setting, is wrong. The error names it.
    pub(crate) fn new(args: &'a MarginArgs, log: &Given<LogArgs>) -> Result<Self> {
        let mut config = Config::load_margin(&args.run, log)?;
        config.refuse_shared_files(summary_file())?;
        if !config.has_proxies() {
            bail!(
                "no proxies configured: set --proxy PORT=HOST:PORT to a port and to the server of the command"
            );
        }
        if args.timeout().is_zero() {
            bail!("--timeout is 0, in which no command ends: use a time such as 30s");
        }
        let vary = &args.vary;
        let flag = || format!("--vary {}.{}={}..{}", vary.fault, vary.parameter, vary.from, vary.to);
        let varied = config.varied(&vary.fault, &vary.parameter).with_context(flag)?;
        if !is_numeric(varied.parameter.value) {
            let name = varied.parameter.name;
            return Err(anyhow!("`{name}` is not a number, so that it has no range").context(flag()));
        }
        let resolution = args.resolution.as_deref();
        let range =
            Range::new(varied.parameter.value, &vary.from, &vary.to, resolution).with_context(flag)?;
        let at_least = args.at_least.as_deref().map(|text| range.place(text).context("--at-least"));
        let at_least = at_least.transpose()?;
        let [report, junit] = config.take_report_files();
        let at = |place| format!("{}, at {}", flag(), range.shown(place));
        config.vary(&varied, range.parameter(0)).with_context(|| at(0))?;
        let mut schedules = config.schedules();
        let (mut settings, wire, log) = crate::resolve(config)?;
        refuse_unused_tls(&settings)?;
        (settings.run.report, settings.run.junit) = (report, junit);
        schedules.duration = settings.duration;
        for place in [1, range.last()] {
            let value = varied.with_value(&settings.proxies, &range.parameter(place), &schedules);
            value.with_context(|| at(place))?;
        }
        Ok(Self { args, settings, wire: Arc::new(wire), varied, range, schedules, at_least, _log: log })
    }

    /// Measures the limit and writes the results. Returns the exit code.
    ///
    /// # Errors
    /// The command or a proxy cannot be started, a signal arrived, or a result cannot be written.
    pub(crate) fn measure(self) -> Result<u8> {
        let started = Instant::now();
        let signals = Signals::new("fault-proxy", DRAIN_TIMEOUT, END_TIMEOUT)?;
        signals.last().does("the command was running");
        let files = ReportFiles::create(&self.settings.run, summary_file(), &signals)?;
        let measured = runtime()?
            .block_on(async { Ok::<_, Error>(Measurement::new(&self, signals)?.measure().await) })?;
        let duration = started.elapsed();
        let filed = report::write(files, &self, &measured, duration);
        if let Some(error) = measured.error {
            if let Err(unwritten) = filed {
                print_error("fault-proxy", unwritten);
            }
            return Err(error);
        }
        let written = all([filed, measured.print(&self, duration)]);
        match measured.exit_code(&self) {
            0 => written.map(|()| 0),
            code => {
                if let Err(error) = written {
                    print_error("fault-proxy", error);
                }
                Ok(code)
            }
        }
    }
}

impl Measured {
    fn headline(&self, plan: &Plan<'_>) -> String {
        match &self.outcome {
            Ok(outcome) => wording::headline(&self.search, *outcome, &plan.range),
            Err(obstacle) => obstacle.to_string(),
        }
    }

    /// Returns the highest value up to which the command passes, if it was measured.
    fn passes_up_to(&self) -> Option<u32> {
        self.outcome.as_ref().ok().and_then(|outcome| wording::passes_up_to(&self.search, *outcome))
    }

    fn exit_code(&self, plan: &Plan<'_>) -> u8 {
        if matches!(self.outcome, Ok(Outcome::NotMonotonic { .. })) {
            return NOT_MEASURED;
        }
        match self.passes_up_to() {
            None => NOT_MEASURED,
            Some(passes) if plan.at_least.is_some_and(|least| passes < least) => NOT_AS_EXPECTED,
            Some(_) => 0,
        }
    }

    /// Returns the verdict for reports.
    fn verdict(&self, plan: &Plan<'_>) -> Verdict {
        let VariedFault { name, parameter, .. } = &plan.varied;
        let least = plan.at_least.map(|place| format!(" at least {}", plan.range.shown(place)));
        Verdict {
            condition: format!("{name}.{}{}", parameter.name, least.unwrap_or_default()),
            proxy: None,
            label: None,
            is_met: self.exit_code(plan) == 0,
            value: self.passes_up_to().map(|place| plan.range.at(place)),
            unit: plan.range.unit(),
            measured: self.headline(plan),
        }
    }

    fn print(&self, plan: &Plan<'_>, duration: Duration) -> Result<()> {
        let failures = &self.failures;
        let shown = match self.outcome {
            Ok(Outcome::Found { fails: Some(fails), .. }) => failures.counted.get_key_value(&fails),
            Err(Obstacle::Unrelated { .. }) => failures.unrelated.last_key_value(),
            _ => None,
        };
        if let Some((place, Failure { output, .. })) = shown.or_else(|| failures.counted.first_key_value())
            && !output.is_empty()
        {
            let value = plan.range.shown(*place);
            let line = format_args!("output of a run that failed at {value}:\n{output}");
            print_line("fault-proxy", line, || info!(value, output, "output of a run that failed"));
        }
        let mut lines = vec![self.headline(plan)];
        match &self.outcome {
            Ok(outcome) => {
                lines.extend(wording::notes(&self.search, *outcome, &plan.range, &plan.varied.name));
            }
            Err(obstacle) => lines.push(obstacle.way_out(&self.variables)),
        }
        let table = self.outcome.as_ref().ok();
        lines.extend(table.and_then(|outcome| wording::table(&self.search, *outcome, &plan.range)));
        let runs = counted(self.runs, "run");
        lines.push(format!("{runs} in {:.1} s, seed {}", duration.as_secs_f64(), self.seed));
        let printed = print(lines.join("\n"));
        if plan.at_least.is_some() {
            self.verdict(plan).print();
        }
        printed.map(drop)
    }
}

/// Returns true if the command could not be started.
pub(crate) fn is_not_started(error: &anyhow::Error) -> bool {
    error.is::<NotStarted>()
}
