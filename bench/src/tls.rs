//! TLS to the upstream, with clients without TLS. All peers use the same version of TLS to the far end.

mod resumption;

use anyhow::Result;
use clap::ValueEnum;
use testkit::Certificates;

use super::args::BenchArgs;
use super::bulk::{self, Flow};
use super::far_end::Version;
use super::peers::{Peer, PeerKind};
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

/// Builds and measures the programs, and prints the tables.
///
/// # Errors
/// Returns an error that names the proxy if it loses a byte or does not respond.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    let scale = prepare_comparison(args.quick)?;
    let mut targets = Vec::new();
    for version in [Version::Tls13, Version::Tls12] {
        let certificates = Certificates::generate();
        let comparison = Comparison {
            peers: &[PeerKind::Ours, PeerKind::Haproxy, PeerKind::Nginx],
            start: &|kind| Peer::start_tls(kind, version, &certificates),
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

/// Measures data from the far end only. nginx does not forward a client's half-close over TLS, which the far
/// end needs to detect the end of the data.
fn bulk(comparison: &Comparison<'_>, scale: &Scale) -> Result<Vec<Target>> {
    let case = "1 stream from the far end";
    let [throughput, cost] = bulk::measured(comparison, scale, case, 1, Flow::FromFarEnd)?;
    let best = throughput.value(PeerKind::Haproxy).max(throughput.value(PeerKind::Nginx));
    let least = cost.value(PeerKind::Haproxy).min(cost.value(PeerKind::Nginx));
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
    Ok(rows.iter().map(|row| Target::at_most(row, "HAProxy", row.value(PeerKind::Haproxy))).collect())
}
