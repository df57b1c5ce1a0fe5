//! Connections between proxies of the program, which may close a loop.

use std::future::pending;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::debug;

use super::Relay;
use crate::loops::{Dialed, Follows};
use crate::report::LOOP;
use crate::stream::Peer;
use crate::summary::{CloseReason, SessionSummary};

/// Interval at which a connection that waits for its place is checked for a loop.
const LOOP_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum time that a connection of another proxy of the program waits for its place.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Registrations of a session with the loop detector. They are boxed because few sessions have them.
#[derive(Debug, Default)]
pub(super) struct LoopMarks {
    /// Set if the downstream is another proxy of the program.
    pub(super) follows: Option<Box<Follows>>,
    /// Set if the upstream may be another proxy of the program.
    pub(super) dialed: Option<Box<Dialed>>,
}

impl Relay {
    /// Waits until the connection of `peer`, which does not have a place yet, is found to close a loop. The sessions of
    /// a loop may hold all places and wait for this connection. Also returns after [`CHAIN_TIMEOUT`] if another proxy
    /// of the program has dialed the connection, because the session that dialed it may hold the last place.
    pub(super) async fn wait_for_loop(&self, peer: &Peer) {
        let Some(proxy) = &self.proxy else { return pending().await };
        let began = Instant::now();
        // The session that dialed the connection may not have registered it yet, so check again later.
        while let Ok(follows) = proxy.follows(peer) {
            if follows.is_some() && began.elapsed() >= CHAIN_TIMEOUT {
                debug!(timeout = ?CHAIN_TIMEOUT, "client reset, no place for a connection of another proxy");
                return;
            }
            sleep(LOOP_INTERVAL).await;
        }
    }

    /// Returns `None`, with the reason in `summary`, if the downstream closes a loop. Otherwise registers the session
    /// if another proxy of the program has dialed it.
    pub(super) fn refuse_loop(&self, marks: &mut LoopMarks, summary: &mut SessionSummary) -> Option<()> {
        let (Some(proxy), None) = (&self.proxy, &marks.follows) else { return Some(()) };
        match proxy.follows(&summary.downstream) {
            Ok(follows) => {
                marks.follows = follows.map(Box::new);
                Some(())
            }
            Err(problem) => {
                summary.upstream_end = CloseReason::NotOpened(format!("connection loop: {problem}"));
                summary.not_opened = Some(LOOP);
                None
            }
        }
    }
}
