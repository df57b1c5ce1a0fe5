//! Memory of idle sessions, and how much of it is released when they end.

use std::thread;

use anyhow::Result;

use super::far_end::ECHO;
use super::load::open_all;
use super::peers::{Peer, PeerKind};
use super::report::{Row, Target, print_table};
use super::rounds::{measured, measured_through};
use super::scale::Scale;

/// Maximum number of bytes of an idle session of fault-proxy while the control API can change its faults.
const GOAL_WITH_CONTROL: f64 = 2560.0;

/// Maximum share of the memory of sessions that may remain after they have closed.
const GIVEN_BACK: f64 = 0.1;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let labels = [
        "before, KiB",
        "with the sessions, KiB",
        "after, KiB",
        "bytes an idle session",
        "stayed after they closed, share",
    ];
    let rows = measured("idle", 1, labels, |peer| resident(peer, scale))?;
    let with_control = of_ours("--control 127.0.0.1:0", "bytes an idle session, control API on", scale)?;
    let without_control = of_ours("--control off", "bytes an idle session, control API off", scale)?;
    let [.., a_session, stayed] = &rows;
    let targets = vec![
        Target::at_most(a_session, "4 KiB", 4096.0),
        Target::at_most(&with_control, "goal", GOAL_WITH_CONTROL),
        Target::at_most(stayed, "given back", GIVEN_BACK),
    ];
    let rows: Vec<Row> = rows.into_iter().chain([with_control, without_control]).collect();
    print_table(&format!("Resident memory, {} idle sessions", scale.idle_sessions), &rows);
    Ok(targets)
}

/// Returns the memory of an idle session of fault-proxy with these flags.
fn of_ours(flags: &str, label: &str, scale: &Scale) -> Result<Row> {
    let start = |_| Peer::ours(flags);
    let [row] = measured_through(&[PeerKind::Ours], start, label, 1, [label], |peer| {
        let before = peer.resident_bytes();
        let sessions = open_all(peer, ECHO, scale.idle_sessions)?;
        thread::sleep(scale.idling);
        let with = peer.resident_bytes();
        Ok([with.zip(before).map(|(with, before)| (with - before) / sessions.len() as f64)])
    })?;
    Ok(row)
}

fn resident(peer: &Peer, scale: &Scale) -> Result<[Option<f64>; 5]> {
    if peer.kind() == PeerKind::Direct {
        return Ok([None; 5]);
    }
    let before = peer.resident_bytes();
    let sessions = open_all(peer, ECHO, scale.idle_sessions)?;
    thread::sleep(scale.idling);
    let with = peer.resident_bytes();
    drop(sessions);
    thread::sleep(scale.giving_back);
    let after = peer.resident_bytes();
    let minus_before = |bytes: Option<f64>| bytes.zip(before).map(|(bytes, before)| bytes - before);
    let taken = minus_before(with);
    let kib = |bytes: Option<f64>| bytes.map(|bytes| bytes / 1024.0);
    Ok([
        kib(before),
        kib(with),
        kib(after),
        taken.map(|taken| taken / scale.idle_sessions as f64),
        minus_before(after).zip(taken).map(|(stayed, taken)| stayed / taken),
    ])
}
