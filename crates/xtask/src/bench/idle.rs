//! Sessions that do nothing: the memory they take and what of it comes back.

use std::thread;

use anyhow::Result;

use super::far_end::ECHO;
use super::load::open_all;
use super::peers::{Peer, Who};
use super::report::{Target, print_table};
use super::rounds::measured;
use super::scale::Scale;

/// The share of what the sessions took that may stay after they closed and still counts as given back.
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
    print_table(&format!("Resident memory, {} idle sessions", scale.idle_sessions), &rows);
    let [.., a_session, stayed] = &rows;
    Ok(vec![Target::at_most(a_session, "4 KiB", 4096.0), Target::at_most(stayed, "given back", GIVEN_BACK)])
}

fn resident(peer: &Peer, scale: &Scale) -> Result<[Option<f64>; 5]> {
    if peer.who() == Who::Direct {
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
