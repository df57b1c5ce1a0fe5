//! Measures peers in turn, so that temporary disturbances of the machine affect all of them.

use anyhow::{Context, Result};

use super::peers::{Peer, PeerKind};
use super::report::{Row, figure, print_table};

/// Peers that are compared in the same way.
pub(super) struct Comparison<'a> {
    pub(super) peers: &'a [PeerKind],
    pub(super) start: &'a dyn Fn(PeerKind) -> Result<Peer>,
    /// Property that all their paths share, for labels and titles; may be empty.
    pub(super) setting: &'a str,
}

impl Comparison<'_> {
    /// All peers, without TLS.
    pub(super) const RELAY: Self = Self { peers: &PeerKind::ALL, start: &Peer::start, setting: "" };

    pub(super) fn measured<const N: usize>(
        &self,
        what: &str,
        rounds: usize,
        labels: [&str; N],
        measure: impl Fn(&Peer) -> Result<[Option<f64>; N]>,
    ) -> Result<[Row; N]> {
        let labels = labels.map(|label| join(self.setting, label));
        let labels = labels.each_ref().map(String::as_str);
        measured_through(self.peers, self.start, what, rounds, labels, measure)
    }

    pub(super) fn print(&self, title: &str, rows: &[Row]) {
        print_table(&join(title, self.setting), rows);
    }
}

fn join(first: &str, second: &str) -> String {
    [first, second].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Starts and measures every peer in turn, `rounds` times. `measure` returns one figure for each label.
pub(super) fn measured<const N: usize>(
    what: &str,
    rounds: usize,
    labels: [&str; N],
    measure: impl Fn(&Peer) -> Result<[Option<f64>; N]>,
) -> Result<[Row; N]> {
    measured_through(&PeerKind::ALL, Peer::start, what, rounds, labels, measure)
}

/// Like [`measured`], with these peers and the function that starts them.
pub(super) fn measured_through<const N: usize>(
    peers: &[PeerKind],
    start: impl Fn(PeerKind) -> Result<Peer>,
    what: &str,
    rounds: usize,
    labels: [&str; N],
    measure: impl Fn(&Peer) -> Result<[Option<f64>; N]>,
) -> Result<[Row; N]> {
    let mut rows = labels.map(Row::new);
    for round in 1..=rounds {
        for &kind in peers {
            let figures = start(kind)
                .and_then(|peer| measure(&peer))
                .with_context(|| format!("{what}: {kind} failed"))?;
            eprint!("{what}: {kind}, round {round} of {rounds}:");
            for (row, sample) in rows.iter_mut().zip(figures) {
                if let Some(sample) = sample {
                    eprint!(" {}", figure(sample));
                    row.record(kind, sample);
                }
            }
            eprintln!();
        }
    }
    Ok(rows)
}
