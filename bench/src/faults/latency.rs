//! Accuracy of constant latency: deviation of the one-way delay from the configured delay.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::report::{Target, figure, markdown, median, percentile};
use super::one_way::{Load, one_way_delays};
use super::path::Path;
use super::scale::Scale;
use super::{latency_flags, on_requests, verdict};

/// Number of sessions, and the range of pauses between two messages of a session. 500 sessions must not keep
/// the machine busy.
const CASES: [(usize, Range<Duration>); 2] = [
    (1, Duration::from_millis(5)..Duration::from_millis(15)),
    (500, Duration::from_millis(50)..Duration::from_millis(150)),
];

const P50_BOUND_MICROS: f64 = 100.0;
const P99_BOUND_MICROS: f64 = 500.0;

#[derive(Clone, Copy, Debug)]
enum Way {
    Direct,
    NoFaults,
    Asked(u64),
}

const WAYS: [Way; 6] =
    [Way::Direct, Way::NoFaults, Way::Asked(1), Way::Asked(10), Way::Asked(50), Way::Asked(100)];

/// Results of one path over all rounds.
#[derive(Debug, Default)]
struct Found {
    delays: Vec<Duration>,
    errors: Vec<Error>,
}

/// Deviation of a delay.
#[derive(Clone, Copy, Debug)]
struct Error {
    size: Duration,
    /// Signed deviation in microseconds. Positive values are late.
    signed: f64,
}

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (sessions, pauses) in CASES {
        let mut found = WAYS.map(|_| Found::default());
        for round in 1..=scale.long_rounds {
            let load =
                Load { sessions, pauses: pauses.clone(), duration: scale.messages, seed: round as u64 };
            measure_round(&mut found, &load).with_context(|| format!("latency, {sessions} sessions"))?;
            eprintln!("latency, {sessions} sessions: round {round} of {}", scale.long_rounds);
        }
        for (way, found) in WAYS.iter().zip(&found) {
            let label = label(*way, sessions);
            if let Way::Asked(_) = way {
                let [p50, p99] = [0.50, 0.99].map(|quantile| found.error_micros(quantile));
                targets.push(verdict::at_most(&format!("{label}: error p50, µs"), p50, P50_BOUND_MICROS));
                targets.push(verdict::at_most(&format!("{label}: error p99, µs"), p99, P99_BOUND_MICROS));
            }
            rows.push(found.cells(label));
        }
    }
    let header = ["", "messages", "delay p50, µs", "error p50, µs", "p99, µs", "max, µs", "signed p50, µs"];
    println!(
        "\n### One-way delay ({} rounds)\n\n{}",
        scale.long_rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    Ok(targets)
}

fn label(way: Way, sessions: usize) -> String {
    let way = match way {
        Way::Direct => "direct, off its median".to_owned(),
        Way::NoFaults => "no faults, off its median".to_owned(),
        Way::Asked(millis) => format!("latency {millis} ms"),
    };
    let plural = if sessions == 1 { "" } else { "s" };
    format!("{way}, {sessions} session{plural}")
}

/// Measures every path once. The configured delay is added to the median without faults in the same round.
fn measure_round(found: &mut [Found; WAYS.len()], load: &Load) -> Result<()> {
    let mut without_faults = Duration::ZERO;
    for (way, found) in WAYS.iter().zip(found) {
        let path = match way {
            Way::Direct => Path::direct()?,
            Way::NoFaults => Path::through("")?,
            Way::Asked(millis) => Path::through(&on_requests(&[&latency_flags(*millis)]))?,
        };
        let delays = one_way_delays(&path, load)?;
        let expected = match way {
            Way::Direct => percentile(&delays, 0.50),
            Way::NoFaults => {
                without_faults = percentile(&delays, 0.50);
                without_faults
            }
            Way::Asked(millis) => without_faults + Duration::from_millis(*millis),
        };
        found.errors.extend(delays.iter().map(|&delay| Error::of(delay, expected)));
        found.delays.extend(delays);
    }
    Ok(())
}

impl Error {
    fn of(delay: Duration, expected: Duration) -> Self {
        let size = delay.abs_diff(expected);
        let micros = micros(size);
        Self { size, signed: if delay < expected { -micros } else { micros } }
    }
}

impl Found {
    fn error_micros(&self, quantile: f64) -> f64 {
        let sizes: Vec<Duration> = self.errors.iter().map(|error| error.size).collect();
        micros(percentile(&sizes, quantile))
    }

    fn cells(&self, label: String) -> Vec<String> {
        let signed: Vec<f64> = self.errors.iter().map(|error| error.signed).collect();
        let figures = [
            micros(percentile(&self.delays, 0.50)),
            self.error_micros(0.50),
            self.error_micros(0.99),
            self.error_micros(1.0),
            median(&signed),
        ];
        [label, self.delays.len().to_string()].into_iter().chain(figures.map(figure)).collect()
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_counts_early_and_late_alike_and_tells_which_it_was() {
        let expected = Duration::from_micros(1100);
        let early = Error::of(Duration::from_micros(1070), expected);
        let late = Error::of(Duration::from_micros(1130), expected);
        assert_eq!([early.size, late.size], [Duration::from_micros(30); 2]);
        assert_eq!([early.signed, late.signed].map(figure), ["-30.0", "30.0"]);
    }
}
