//! Handshakes with the far end that resume a session, which cost both ends less than full handshakes.

use std::io::Read as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Comparison;
use crate::far_end::{ECHO, HANDSHAKES};
use crate::load::{PATIENCE, open};
use crate::peers::{Peer, SETTLE_TIME};
use crate::report::Target;
use crate::scale::Scale;

/// Number of sessions of a measurement, one after the other.
const SESSIONS: u32 = 100;
/// Pause between sessions. A session can only resume after the handshake of an earlier session has delivered
/// a ticket.
const PAUSE: Duration = Duration::from_millis(20);
/// Minimum number of handshakes that must resume a session. A busy machine may delay one beyond the pause.
const GOAL: f64 = 98.0;

/// Handshakes that the far end has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handshakes {
    all: u64,
    resumed: u64,
}

pub(super) fn run(comparison: &Comparison<'_>, scale: &Scale) -> Result<Vec<Target>> {
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (case, closes_at_once) in
        [("clients that wait for a byte", false), ("clients that close immediately", true)]
    {
        let labels = ["handshakes", "resumed"].map(|label| format!("{case}, {label}"));
        let labels = labels.each_ref().map(String::as_str);
        let [all, resumed] = comparison.measured(case, scale.rounds, labels, |peer| {
            let handshakes = handshakes_of(peer, closes_at_once)?;
            Ok([handshakes.all, handshakes.resumed].map(|count| Some(count as f64)))
        })?;
        targets.push(Target::at_least(&resumed, "goal", GOAL));
        rows.extend([all, resumed]);
    }
    comparison.print(&format!("Resumption, {SESSIONS} sessions"), &rows);
    Ok(targets)
}

fn handshakes_of(peer: &Peer, closes_at_once: bool) -> Result<Handshakes> {
    let before = settled(peer)?;
    for _ in 0..SESSIONS {
        if closes_at_once {
            drop(TcpStream::connect(peer.addr())?);
        } else {
            drop(open(peer, ECHO)?);
        }
        thread::sleep(PAUSE);
    }
    let after = settled(peer)?;
    Ok(Handshakes { all: after.all - before.all, resumed: after.resumed - before.resumed })
}

/// Waits until no handshake is in progress. Returns the handshakes so far.
fn settled(peer: &Peer) -> Result<Handshakes> {
    let begin = Instant::now();
    let mut last = ask(peer)?;
    loop {
        thread::sleep(SETTLE_TIME);
        let now = ask(peer)?;
        if now == last {
            return Ok(now);
        }
        ensure!(begin.elapsed() < PATIENCE, "handshakes do not end");
        last = now;
    }
}

fn ask(peer: &Peer) -> Result<Handshakes> {
    let mut session = open(peer, HANDSHAKES)?;
    let mut next = || {
        let mut number = [0; 8];
        session.read_exact(&mut number).context("the far end does not answer")?;
        anyhow::Ok(u64::from_be_bytes(number))
    };
    Ok(Handshakes { all: next()?, resumed: next()? })
}
