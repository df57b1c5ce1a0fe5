//! TLS to the upstream: clients in clear, and a far end with TLS, whose one version is that of all peers.

use anyhow::Result;
use clap::ValueEnum;
use testkit::Certificates;

use super::args::BenchArgs;
use super::bulk::{Flow, transfer};
use super::connections::rate;
use super::far_end::Version;
use super::peers::{Peer, Who};
use super::report::{Row, Target, print_table, print_targets};
use super::rounds::measured_through;
use super::scale::{self, Scale};
use super::{become_ready, print_heading, round_trip};
use crate::packages;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Bulk,
    RoundTrip,
    Connections,
}

/// Builds what is measured, measures it and prints the tables.
///
/// # Errors
/// A proxy that loses a byte or does not answer ends the benchmark with an error that names it.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    packages::install_missing(packages::TESTS)?;
    become_ready(&["fault-proxy"])?;
    let scale = if args.quick { &scale::QUICK } else { &scale::FULL };
    print_heading()?;
    println!("The figures are medians of the rounds; errors are their sums.");
    let mut targets = Vec::new();
    for version in [Version::Tls13, Version::Tls12] {
        let bench = Bench { version, certificates: Certificates::generate(), scale };
        for section in args.sections() {
            targets.extend(match section {
                Section::Bulk => bench.bulk()?,
                Section::RoundTrip => bench.round_trip()?,
                Section::Connections => bench.connections()?,
            });
        }
    }
    print_targets(&targets);
    Ok(())
}

struct Bench {
    version: Version,
    certificates: Certificates,
    scale: &'static Scale,
}

impl Bench {
    fn measured<const N: usize>(
        &self,
        what: &str,
        rounds: usize,
        labels: [&str; N],
        measure: impl Fn(&Peer) -> Result<[Option<f64>; N]>,
    ) -> Result<[Row; N]> {
        let start = |who| Peer::start_tls(who, self.version, &self.certificates);
        let labels = labels.map(|label| format!("TLS {}, {label}", self.version));
        let labels = labels.each_ref().map(String::as_str);
        measured_through(&[Who::Ours, Who::Haproxy, Who::Nginx], start, what, rounds, labels, measure)
    }

    fn print(&self, title: &str, rows: &[Row]) {
        print_table(&format!("{title}, TLS {}", self.version), rows);
    }

    /// From the far end only: nginx does not carry a client's half-close over TLS, by which the far end knows that all has come.
    fn bulk(&self) -> Result<Vec<Target>> {
        let labels = ["1 stream from the far end, GB/s", "1 stream from the far end, CPU s/GB"];
        let [throughput, cost] = self.measured("bulk", self.scale.rounds, labels, |peer| {
            let transfer = transfer(peer, 1, Flow::FromFarEnd, self.scale.bulk_bytes)?;
            Ok([Some(transfer.throughput), transfer.cpu_seconds])
        })?;
        let best = throughput.value(Who::Haproxy).max(throughput.value(Who::Nginx));
        let least = cost.value(Who::Haproxy).min(cost.value(Who::Nginx));
        let targets = vec![
            Target::at_least(&throughput, "1.1 × the better one", 1.1 * best),
            Target::at_most(&cost, "the better one", least),
        ];
        self.print("Bulk", &[throughput, cost]);
        Ok(targets)
    }

    fn round_trip(&self) -> Result<Vec<Target>> {
        let labels = ["round trip, p50, µs", "round trip, p99, µs"];
        let rows = self.measured("round trip", self.scale.short_rounds, labels, |peer| {
            Ok(round_trip::quantiles(peer, self.scale)?.map(Some))
        })?;
        self.print("Round trip of 64 bytes", &rows);
        Ok(rows.iter().map(|row| Target::at_most(row, "HAProxy", row.value(Who::Haproxy))).collect())
    }

    fn connections(&self) -> Result<Vec<Target>> {
        let mut rows = Vec::new();
        let mut targets = Vec::new();
        for (case, workers) in [("1 worker", 1), ("16 workers", 16)] {
            let labels = [format!("{case}, connections/s"), format!("{case}, errors")];
            let labels = labels.each_ref().map(String::as_str);
            let [per_second, errors] = self.measured(case, self.scale.rounds, labels, |peer| {
                let rate = rate(peer, workers, self.scale.connecting);
                Ok([Some(rate.per_second), Some(rate.errors)])
            })?;
            targets.push(Target::at_least(&per_second, "nginx", per_second.value(Who::Nginx)));
            rows.extend([per_second, errors.summed()]);
        }
        self.print("Short connections", &rows);
        Ok(targets)
    }
}
