//! System calls of a proxy per session, counted by strace.
//!
//! Their number varies less than connections per second, because it does not depend on the load of the
//! machine.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use testkit::Daemon;

use super::far_end::ECHO;
use super::load::open;
use super::peers::{Peer, PeerKind, SETTLE_TIME};
use super::report::{Target, print_table};
use super::rounds::measured;
use super::scale::Scale;

/// Maximum number of system calls of a session of fault-proxy.
const GOAL: f64 = 23.0;

/// Time limit for strace to detach from the processes and print its table.
const STRACE_END_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let [calls] = measured("system calls", scale.long_rounds, ["system calls per session"], |peer| {
        Ok([calls_per_session(peer, scale.counted_sessions)?])
    })?;
    let target = Target::at_most(&calls, "goal", GOAL);
    let title = format!("System calls, {} sessions of one byte there and back", scale.counted_sessions);
    print_table(&title, &[calls]);
    Ok(vec![target])
}

/// Runs `sessions` sessions, one after the other, while strace counts. Returns `None` without a proxy.
fn calls_per_session(peer: &Peer, sessions: u32) -> Result<Option<f64>> {
    if peer.kind() == PeerKind::Direct {
        return Ok(None);
    }
    let strace = attach(peer)?;
    for number in 0..sessions {
        drop(open(peer, ECHO).with_context(|| format!("session {number} of {sessions}, under strace"))?);
    }
    // The proxy closes the last session after the client.
    thread::sleep(SETTLE_TIME);
    strace.signal(Signal::INT);
    strace.wait(STRACE_END_TIMEOUT);
    let printed = strace.stderr();
    let calls = total(&printed).with_context(|| format!("strace has counted nothing:\n{printed}"))?;
    Ok(Some(calls / f64::from(sessions)))
}

/// Starts strace on all threads of the proxy, and waits until it counts.
fn attach(peer: &Peer) -> Result<Daemon> {
    let pids: Vec<String> = peer.pids().iter().map(u32::to_string).collect();
    let mut args = vec!["-f", "-c", "-U", "calls,name"];
    args.extend(pids.iter().flat_map(|pid| ["-p", pid]));
    let strace = Daemon::spawn(testkit::require("strace", "strace").as_ref(), &args, &[]);
    for pid in &pids {
        let line = strace.wait_for_line(pid);
        ensure!(line.contains("attached"), "strace cannot attach to {}: {line}", peer.kind());
    }
    Ok(strace)
}

/// Returns the sum in strace's table, whose columns are the number of calls and their name.
fn total(printed: &str) -> Option<f64> {
    let line = printed.lines().rev().find(|line| line.split_whitespace().last() == Some("total"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_line_of_the_table() {
        let printed = "strace: Process 7 attached with 3 threads
strace: Process 7 detached
    calls syscall
--------- ----------------
     1604 epoll_wait
      400 connect
--------- ----------------
     2004 total
";
        assert_eq!(total(printed), Some(2004.0));
        assert_eq!(total("strace: Process 7 attached\n"), None);
    }
}
