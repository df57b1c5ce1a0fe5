//! The runs of a measurement, one after the other.

use anyhow::{Context, Result};
use proxy_cli::faults::any_seed;
use proxy_cli::signals::Signals;
use proxy_cli::terminal::print_line;
use tracing::info;

use super::command::{Command, Ends, Run};
use super::network::Networks;
use super::obstacle::{Judged, Observed, Obstacle, Obstacles};
use super::search::{Outcome, Search, Step};
use super::{EASY, Failures, Measured, Plan};

/// A measurement: what its runs need, and what they have shown so far.
#[derive(Debug)]
pub(super) struct Measurement<'a> {
    plan: &'a Plan<'a>,
    networks: Networks<'a>,
    command: Command<'a>,
    ends: Ends,
    seed: u64,
    search: Search,
    obstacles: Obstacles,
    failures: Failures,
    /// Variables of the last run.
    variables: Vec<(String, String)>,
    runs: u64,
    /// True if the last run connected to a proxy.
    is_last_used: bool,
}

impl<'a> Measurement<'a> {
    /// Requires the context of a runtime.
    ///
    /// # Errors
    /// Signals cannot be handled.
    pub(super) fn new(plan: &'a Plan<'a>, signals: Signals) -> Result<Self> {
        let args = plan.args;
        Ok(Self {
            plan,
            networks: Networks::new(&plan.settings, &plan.wire),
            command: Command { line: &args.command, timeout: args.timeout() },
            ends: Ends::new(signals).context("cannot handle signals")?,
            seed: plan.settings.seed.unwrap_or_else(any_seed),
            search: Search::new(plan.range.last(), args.repeat()),
            obstacles: Obstacles::default(),
            failures: Failures::default(),
            variables: Vec::new(),
            runs: 0,
            is_last_used: false,
        })
    }

    /// Runs the command until the search is done.
    pub(super) async fn measure(mut self) -> Measured {
        let Plan { varied, range, .. } = self.plan;
        let (fault, parameter) = (&varied.name, varied.parameter.name);
        let line = format_args!("looking for the limit of {fault}.{parameter}, {range}");
        print_line("fault-proxy", line, || info!(fault, parameter, %range, "looking for the limit"));
        let (outcome, error) = match self.find_limit().await {
            Ok(outcome) => (outcome, None),
            Err(error) => (Err(Obstacle::Aborted(format!("{error:#}"))), Some(error)),
        };
        let Self { search, failures, variables, seed, runs, .. } = self;
        Measured { search, outcome, error, failures, variables, seed, runs }
    }

    /// Returns the outcome of the search, or what kept it from measuring the fault.
    async fn find_limit(&mut self) -> Result<Result<Outcome, Obstacle>> {
        loop {
            let place = match self.search.next() {
                Step::Run(place) => place,
                Step::Unrelated(place) => return Ok(Err(self.unrelated(place))),
                Step::Done(outcome) => return Ok(self.obstacle_of(outcome).map_or(Ok(outcome), Err)),
            };
            let ended = self.run(place).await?;
            self.runs += 1;
            let Some((run, observed)) = ended else {
                let value = self.plan.range.shown(place);
                let line = format_args!("{value}: stopped; the run is repeated");
                print_line("fault-proxy", line, || info!(value, "stopped; the run is repeated"));
                continue;
            };
            if let Some(obstacle) = self.record(place, run, observed) {
                return Ok(Err(obstacle));
            }
        }
    }

    /// Returns why an outcome of the search is not one of the fault.
    fn obstacle_of(&self, outcome: Outcome) -> Option<Obstacle> {
        let Plan { varied, range, settings, .. } = self.plan;
        match outcome {
            Outcome::FailsAtEasyEnd if !self.obstacles.is_used() => Some(Obstacle::FailsUnused {
                value: range.shown(EASY),
                status: self
                    .failures
                    .counted
                    .get(&EASY)
                    .map(|failure| failure.status.clone())
                    .unwrap_or_default(),
                runs: self.search.tally(EASY).failed,
            }),
            Outcome::PassesAtHardEnd if self.search.tally(range.last()).acted == 0 => {
                let proxies = varied.proxies(&settings.proxies).map(|proxy| &*proxy.name);
                Some(self.obstacles.idle(&varied.name, range.shown(range.last()), proxies))
            }
            _ => None,
        }
    }

    fn unrelated(&self, place: u32) -> Obstacle {
        let tally = self.search.tally(place);
        Obstacle::Unrelated {
            fault: self.plan.varied.name.clone(),
            value: self.plan.range.shown(place),
            runs: (tally.unrelated, tally.all_runs()),
            used: self.is_last_used,
        }
    }

    /// Runs the command once, with new proxies. Returns `None` if this program was stopped in the meantime.
    async fn run(&mut self, place: u32) -> Result<Option<(Run, Observed)>> {
        let Plan { varied, range, settings, schedules, .. } = self.plan;
        let proxies = varied.with_value(&settings.proxies, &range.parameter(place), schedules)?;
        // The same seed would repeat the same decisions, and then runs of one value would not be independent.
        let network = self.networks.start(&proxies, self.seed.wrapping_add(self.runs)).await?;
        let ran = match network.variables(&proxies) {
            Ok(of_run) => {
                self.variables = of_run;
                self.command.run(&self.variables, &mut self.ends).await
            }
            Err(error) => Err(error),
        };
        let Some(ran) = ran.transpose() else {
            network.stop()?;
            return Ok(None);
        };
        if !self.obstacles.is_used() && ran.is_ok() {
            network.wait_for_client().await;
        }
        if matches!(&ran, Ok(run) if run.failure.is_some()) {
            network.wait_for_upstreams().await;
        }
        let may_be_idle = match &ran {
            Ok(run) if run.failure.is_some() => place != EASY,
            Ok(_) => place == range.last() && self.search.tally(place).runs() == 0,
            Err(_) => false,
        };
        if may_be_idle {
            network.wait_for_action(&varied.name).await;
        }
        let observed = network.observed(&varied.name);
        network.stop()?;
        Ok(Some((ran?, observed)))
    }

    /// Records a run and prints its result. Returns the obstacle if it ends the measurement.
    fn record(&mut self, place: u32, run: Run, observed: Observed) -> Option<Obstacle> {
        let Plan { args, varied, range, .. } = self.plan;
        let (passed, acted) = (run.failure.is_none(), observed.acted);
        self.is_last_used = observed.used;
        let judged = self.obstacles.judge(passed, observed, args.repeat());
        let counts = judged == Judged::Counts && self.search.record(place, passed, acted);
        let why = match &judged {
            Judged::Repeats(unreached) => Some(unreached.to_string()),
            Judged::Counts if !counts => {
                Some(format!("`{}` did not act, so the run does not count", varied.name))
            }
            _ => None,
        };
        let (value, seconds) = (range.shown(place), run.time.as_secs_f64());
        let status = run.failure.as_ref().map(|failure| &*failure.status);
        let result = if passed { "passed" } else { "failed" };
        let mut line = format!("{value}: {result} in {seconds:.2} s");
        line.extend(status.map(|status| format!(": {status}")));
        line.extend(why.as_ref().map(|why| format!("; {why}")));
        print_line("fault-proxy", line, || {
            info!(value, duration_ms = seconds * 1e3, status, note = why, "{result}");
        });
        let failures = match judged {
            Judged::Counts if !counts => &mut self.failures.unrelated,
            _ => &mut self.failures.counted,
        };
        failures.extend(run.failure.map(|failure| (place, failure)));
        match judged {
            Judged::Ends(obstacle) => Some(obstacle),
            Judged::Counts | Judged::Repeats(_) => None,
        }
    }
}
