//! Report of `margin` for programs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

use super::command::Failure;
use super::confidence::CONFIDENCE;
use super::obstacle::Obstacle;
use super::search::Outcome;
use super::wording;
use super::{Failures, Measured, Plan};
use crate::report::{FORMAT, ReportFiles, Suite, Verdict, cell};

/// Report of `--report`. `docs/margin.schema.json` describes it.
#[derive(Debug, Serialize)]
struct MarginReport<'a> {
    report: u32,
    version: &'static str,
    /// Since 1970-01-01 UTC.
    started_unix_ms: u64,
    duration_ms: u64,
    seed: u64,
    /// Whether the exit code is 0.
    passed: bool,
    margin: Margin<'a>,
    expectations: &'a [Verdict],
}

#[derive(Debug, Serialize)]
struct Margin<'a> {
    fault: &'a str,
    parameter: &'static str,
    unit: &'static str,
    from: f64,
    to: f64,
    resolution: f64,
    repeat: u32,
    outcome: &'static str,
    /// The result in one line.
    summary: &'a str,
    passes_up_to: Option<f64>,
    fails_from: Option<f64>,
    limit: Option<Limit>,
    values: Vec<Tested<'a>>,
}

/// Interval of the limit.
#[derive(Debug, Serialize)]
struct Limit {
    above: f64,
    up_to: f64,
    confidence: f64,
}

/// Results at a value.
#[derive(Debug, Serialize)]
struct Tested<'a> {
    value: f64,
    passed: u32,
    failed: u32,
    /// Runs in which the fault acted, of those that passed or failed.
    acted: u32,
    /// Runs that failed although the fault did not act, which do not count as failed.
    failed_without_fault: u32,
    /// The last run that failed, if possible with the fault.
    failure: Option<&'a Failure>,
}

/// Writes all reports.
///
/// # Errors
/// A file cannot be written. The others are written.
pub(super) fn write(
    files: ReportFiles,
    plan: &Plan<'_>,
    measured: &Measured,
    duration: Duration,
) -> Result<()> {
    let Measured { search, outcome, seed, .. } = measured;
    let verdicts = [measured.verdict(plan)];
    let duration_ms = millis(duration);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let range = &plan.range;
    let summary = measured.headline(plan);
    let report = MarginReport {
        report: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        started_unix_ms: millis(now.saturating_sub(duration)),
        duration_ms,
        seed: *seed,
        passed: verdicts[0].is_met,
        margin: Margin {
            fault: &plan.varied.name,
            parameter: plan.varied.parameter.name,
            unit: range.unit(),
            from: range.at(0),
            to: range.at(range.last()),
            resolution: (range.at(1) - range.at(0)).abs(),
            repeat: plan.args.repeat(),
            outcome: outcome.as_ref().map_or_else(Obstacle::name, |outcome| name(*outcome)),
            summary: &summary,
            passes_up_to: measured.passes_up_to().map(|place| range.at(place)),
            fails_from: match outcome {
                Ok(Outcome::Found { fails, .. }) => fails.map(|place| range.at(place)),
                _ => None,
            },
            limit: outcome.as_ref().ok().and_then(|outcome| wording::limit(search, *outcome)).map(
                |(low, high)| Limit { above: range.at(low), up_to: range.at(high), confidence: CONFIDENCE },
            ),
            values: values(plan, measured),
        },
        expectations: &verdicts,
    };
    let proxies = plan.varied.proxies(&plan.settings.proxies).map(|proxy| &*proxy.label);
    let proxies = proxies.collect::<Vec<_>>().join(", ");
    let suite = Suite { duration_ms, seed: *seed, verdicts: &verdicts, proxies };
    files.write_all(&report, &suite, || {
        let result = if report.passed { "passed" } else { "failed" };
        format!("### fault-proxy margin: {result}\n\n{}\n\n", cell(&verdicts[0].to_string()))
    })
}

fn values<'a>(plan: &Plan<'_>, measured: &'a Measured) -> Vec<Tested<'a>> {
    let Failures { counted, unrelated } = &measured.failures;
    let tested = measured.search.seen().iter().map(|(place, tally)| Tested {
        value: plan.range.at(*place),
        passed: tally.passed,
        failed: tally.failed,
        acted: tally.acted,
        failed_without_fault: tally.unrelated,
        failure: counted.get(place).or_else(|| unrelated.get(place)),
    });
    tested.collect()
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::FailsAtEasyEnd => "fails_at_easy_end",
        Outcome::PassesAtHardEnd => "passes_at_hard_end",
        Outcome::Found { .. } => "found",
        Outcome::NotMonotonic { .. } => "not_monotonic",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
