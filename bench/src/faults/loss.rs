//! Throughput with packet loss, compared with a formula and with a path that really loses packets.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::report::{Target, figure, markdown};
use super::arrivals::rate;
use super::greedy::{Amount, Flow, flow};
use super::lossy_path::{self, LossyPath, congestion_control};
use super::path::Path;
use super::scale::Scale;
use super::verdict;

/// Lost packets per thousand.
const RATES: [(u16, &str); 3] = [(1, "0.1%"), (10, "1%"), (50, "5%")];
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Payload of a packet of 1500 bytes.
const SEGMENT: f64 = 1460.0;
const TOLERANCE: f64 = 0.25;
/// Number of concurrent flows through fault-proxy.
const FLOWS: u64 = 8;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let mut missing = lossy_path::prepare().err().map(|error| format!("{error:#}"));
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (per_mille, label) in RATES {
        let wanted = mathis(f64::from(per_mille) / 1000.0);
        let ours = ours(label, scale.lossy).with_context(|| format!("loss {label}"))?;
        eprintln!("loss {label}: ours {ours:.0} B/s, Mathis {wanted:.0} B/s");
        let real = match &missing {
            Some(_) => f64::NAN,
            None => match real(per_mille, scale.lossy, scale.long_rounds) {
                Ok((throughput, note)) => {
                    eprintln!("loss {label}: real path {throughput:.0} B/s ({note})");
                    notes.push(format!("{label}: {note}"));
                    throughput
                }
                Err(error) => {
                    missing = Some(format!("{error:#}"));
                    f64::NAN
                }
            },
        };
        let figures = [wanted / 1e6, ours / 1e6, real / 1e6, ours / wanted, ours / real, real / wanted];
        rows.push([label.to_owned()].into_iter().chain(figures.map(figure)).collect());
        let label = format!("packet loss {label}: throughput");
        targets.push(verdict::about_one(&format!("{label}, of Mathis"), ours / wanted, TOLERANCE));
        if missing.is_none() {
            targets.push(verdict::about_one(&format!("{label}, of a real path"), ours / real, TOLERANCE));
        }
    }
    let header =
        ["", "Mathis, MB/s", "ours, MB/s", "real path, MB/s", "ours/Mathis", "ours/real", "real/Mathis"];
    println!(
        "\n### Throughput with packet loss at {ROUND_TRIP:?} over {:?}\n\n{}",
        scale.lossy,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    if !notes.is_empty() {
        println!("\nThe real path: {}.", notes.join("; "));
    }
    if let Some(missing) = missing {
        println!("\nThis machine could not make a real lossy path: {missing}");
    }
    Ok(targets)
}

/// Returns the bytes per second at a share of lost segments: MSS/RTT · √(3/2) / √p (Mathis, Semke, Mahdavi,
/// Ott: The macroscopic behavior of the TCP congestion avoidance algorithm, 1997). The constant applies to
/// periodic loss with one acknowledgment per segment.
fn mathis(share: f64) -> f64 {
    SEGMENT / ROUND_TRIP.as_secs_f64() * (1.5 / share).sqrt()
}

/// Returns the mean of several concurrent proxies with independent losses. A single flow would have too few
/// losses in the time.
fn ours(rate: &str, duration: Duration) -> Result<f64> {
    let one = |seed: u64| {
        let path = Path::through(&format!(
            "--seed {seed} --no-ui --with-packet-loss --packet-loss-side server --packet-loss-direction egress \
             --packet-loss-rate {rate} --packet-loss-rtt {}ms",
            ROUND_TRIP.as_millis()
        ))?;
        Ok(steady_rate(&flow(path.connect()?, &path.listener, Amount::For(duration))?, duration))
    };
    let rates: Result<Vec<f64>> = thread::scope(|scope| {
        let flows: Vec<_> = (1..=FLOWS).map(|seed| scope.spawn(move || one(seed))).collect();
        flows.into_iter().map(|flow| flow.join().expect("a flow does not panic")).collect()
    });
    Ok(mean(&rates?))
}

/// Returns the mean rate of several consecutive flows through a real lossy path, and a description of that
/// path.
fn real(per_mille: u16, duration: Duration, flows: usize) -> Result<(f64, String)> {
    let path = LossyPath::make(ROUND_TRIP, per_mille)?;
    let round_trip = path.round_trip()?;
    let control = congestion_control(&path.connect()?)?;
    let rates: Result<Vec<f64>> = (0..flows)
        .map(|_| Ok(steady_rate(&flow(path.connect()?, &path.listener, Amount::For(duration))?, duration)))
        .collect();
    let note = format!(
        "{control}, round trip {:.2} ms, {} further packets lost",
        round_trip.as_secs_f64() * 1e3,
        path.further_losses()?
    );
    Ok((mean(&rates?), note))
}

fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len() as f64
}

/// Returns the rate without the first tenth of the time, in which a sender still adapts its window.
fn steady_rate(flow: &Flow, duration: Duration) -> f64 {
    rate(&flow.arrivals, duration / 10, duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_of_the_loss_is_ten_times_the_throughput() {
        assert_eq!(figure(mathis(0.01)), "894064");
        assert!((mathis(0.0001) / mathis(0.01) - 10.0).abs() < 1e-9);
    }
}
