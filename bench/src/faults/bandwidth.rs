//! Accuracy of limited bandwidth, over the whole time and in windows of 100 ms.

use std::time::Duration;

use anyhow::{Context, Result};

use super::super::report::{Target, figure, markdown};
use super::arrivals::{Arrival, rate, windows};
use super::greedy::{Amount, flow};
use super::path::Path;
use super::scale::Scale;
use super::{bandwidth_flags, on_requests, verdict};

/// Rates in bytes per second.
const RATES: [(u64, &str); 6] = [
    (10_000, "10 KB/s"),
    (100_000, "100 KB/s"),
    (1_000_000, "1 MB/s"),
    (10_000_000, "10 MB/s"),
    (100_000_000, "100 MB/s"),
    (1_000_000_000, "1 GB/s"),
];

const WINDOW: Duration = Duration::from_millis(100);
/// Time that the burst may affect. Windows begin after it.
const BURST: Duration = Duration::from_millis(200);
/// Maximum error in percent.
const TOTAL_BOUND: f64 = 1.0;
const WINDOW_BOUND: f64 = 3.0;

/// Deviation of a flow from its rate in percent. Positive values are too fast.
#[derive(Debug)]
struct Errors {
    total: f64,
    windows: Vec<f64>,
}

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (rate, label) in RATES {
        let mut totals = Vec::new();
        let mut in_windows = Vec::new();
        for round in 1..=scale.long_rounds {
            let errors = limited(rate, scale.limited).with_context(|| format!("bandwidth {label}"))?;
            eprintln!("bandwidth {label}: round {round} of {}: {:.2} %", scale.long_rounds, errors.total);
            totals.push(errors.total);
            in_windows.extend(errors.windows);
        }
        let [total, window] = [&totals, &in_windows].map(|errors| worst(errors));
        let beyond = in_windows.iter().filter(|error| error.abs() > WINDOW_BOUND).count();
        let share = 100.0 * beyond as f64 / in_windows.len() as f64;
        let figures = [total, window, share].map(figure);
        rows.push([label.to_owned(), in_windows.len().to_string()].into_iter().chain(figures).collect());
        let label = format!("bandwidth {label}");
        targets.push(verdict::at_most(&format!("{label}: total error, %"), total.abs(), TOTAL_BOUND));
        targets.push(verdict::at_most(&format!("{label}: worst window, %"), window.abs(), WINDOW_BOUND));
    }
    let header = ["", "windows", "total error, %", "worst window, %", "windows beyond 3 %, %"];
    println!(
        "\n### Bandwidth over {:?} (the worst of {} rounds)\n\n{}",
        scale.limited,
        scale.long_rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    Ok(targets)
}

fn limited(bytes_a_second: u64, duration: Duration) -> Result<Errors> {
    let path = Path::through(&on_requests(&[&bandwidth_flags(bytes_a_second)]))?;
    let flow = flow(path.connect()?, &path.listener, Amount::For(duration))?;
    Ok(errors(&flow.arrivals, bytes_a_second as f64, duration))
}

fn errors(arrivals: &[Arrival], bytes_a_second: f64, duration: Duration) -> Errors {
    let percent = |measured: f64, asked: f64| 100.0 * (measured / asked - 1.0);
    let of_a_window = bytes_a_second * WINDOW.as_secs_f64();
    Errors {
        total: percent(rate(arrivals, Duration::ZERO, duration), bytes_a_second),
        windows: windows(arrivals, BURST, duration, WINDOW)
            .into_iter()
            .map(|bytes| percent(bytes as f64, of_a_window))
            .collect(),
    }
}

/// Returns the error with the largest absolute value.
fn worst(errors: &[f64]) -> f64 {
    errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_counts_in_the_total_and_in_no_window() {
        // 1000 bytes per second in steps of 10 ms, with a burst of 50 bytes at the start and a gap of 10 ms.
        let mut arrivals: Vec<_> =
            (0..100).map(|step| Arrival { at: Duration::from_millis(10 * step), bytes: 10 }).collect();
        arrivals[0].bytes += 50;
        arrivals[45].bytes = 0;
        let errors = errors(&arrivals, 1000.0, Duration::from_secs(1));
        assert_eq!(figure(errors.total), "4.00");
        assert_eq!(errors.windows.len(), 8);
        assert!((worst(&errors.windows) + 10.0).abs() < 1e-9);
        assert_eq!(errors.windows.iter().filter(|error| error.abs() > 1e-9).count(), 1);
    }
}
