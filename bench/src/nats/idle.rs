//! Memory of idle sessions.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::super::far_end::ECHO;
use super::super::report::{Target, figure, markdown};
use super::super::verdict;
use super::scale::Scale;
use super::tunnel::Tunnel;

const KIB: f64 = 1024.0;
const KIB_A_SESSION: f64 = 64.0;

const IDLE_TIME: Duration = Duration::from_secs(2);

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let tunnel = Tunnel::start(&[])?;
    let resident = || tunnel.pids().map(|pid| testkit::resident_bytes(pid) as f64 / KIB);
    let before = resident();
    let sessions = tunnel.open_all(ECHO, scale.sessions)?;
    thread::sleep(IDLE_TIME);
    let with = resident();
    drop(sessions);
    thread::sleep(scale.giving_back);
    let after = resident();
    let a_session = [0, 1].map(|end| (with[end] - before[end]) / scale.sessions as f64);
    println!(
        "\n### Resident memory, {} idle sessions that have sent one byte each, KiB\n\n{}",
        scale.sessions,
        markdown(
            ["", "before", "with the sessions", "after", "a session"].map(str::to_owned).to_vec(),
            ["client", "server"].into_iter().enumerate().map(|(end, name)| {
                let figures = [before[end], with[end], after[end], a_session[end]];
                std::iter::once(name.to_owned()).chain(figures.map(figure)).collect()
            })
        )
    );
    Ok(["client", "server"]
        .into_iter()
        .zip(a_session)
        .map(|(name, kib)| verdict::at_most(&format!("{name}, KiB an idle session"), kib, KIB_A_SESSION))
        .collect())
}
