//! TLS to the upstream: clients in clear, and a far end with TLS, whose one version is that of all peers.

mod resumption;

use anyhow::Result;
use clap::ValueEnum;
use testkit::Certificates;

use super::args::BenchArgs;
use super::bulk::{self, Flow};
use super::far_end::Version;
use super::peers::{Peer, Who};
use super::report::{Target, print_targets};
use super::rounds::Comparison;
use super::scale::Scale;
use super::{connections, prepare_comparison, round_trip};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Bulk,
    RoundTrip,
    Connections,
    /// Handshakes with the far end that resume a session.
    Resumption,
}

/// Builds what is measured, measures it and prints the tables.
///
/// # Errors
/// A proxy that loses a byte or does not answer ends the benchmark with an error that names it.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    let scale = prepare_comparison(args.quick)?;
    let mut targets = Vec::new();
    for version in [Version::Tls13, Version::Tls12] {
        let certificates = Certificates::generate();
        let comparison = Comparison {
            peers: &[Who::Ours, Who::Haproxy, Who::Nginx],
            start: &|who| Peer::start_tls(who, version, &certificates),
            setting: &format!("TLS {version}"),
        };
        for section in args.sections() {
            targets.extend(match section {
                Section::Bulk => bulk(&comparison, scale)?,
                Section::RoundTrip => round_trip(&comparison, scale)?,
                Section::Connections => connections::run(&comparison, scale, None)?,
                Section::Resumption => resumption::run(&comparison, scale)?,
            });
        }
    }
    print_targets(&targets);
    Ok(())
}

/// From the far end only: nginx does not carry a client's half-close over TLS, by which the far end knows that all has come.
fn bulk(comparison: &Comparison<'_>, scale: &Scale) -> Result<Vec<Target>> {
    let case = "1 stream from the far end";
    let [throughput, cost] = bulk::measured(comparison, scale, case, 1, Flow::FromFarEnd)?;
    let best = throughput.value(Who::Haproxy).max(throughput.value(Who::Nginx));
    let least = cost.value(Who::Haproxy).min(cost.value(Who::Nginx));
    let targets = vec![
        Target::at_least(&throughput, "1.1 × the better one", 1.1 * best),
        Target::at_most(&cost, "the better one", least),
    ];
    comparison.print("Bulk", &[throughput, cost]);
    Ok(targets)
}

fn round_trip(comparison: &Comparison<'_>, scale: &Scale) -> Result<Vec<Target>> {
    let rows = round_trip::measured(comparison, scale)?;
    round_trip::print(comparison, &rows);
    Ok(rows.iter().map(|row| Target::at_most(row, "HAProxy", row.value(Who::Haproxy))).collect())
}
