//! Connections of the program's own proxies, which may close a loop.

use std::future::pending;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::debug;

use super::Relay;
use crate::loops::{Dialed, Follows};
use crate::report::LOOP;
use crate::stream::Peer;
use crate::summary::{CloseReason, SessionSummary};

/// How often a connection that waits for its place is looked at again.
const LOOP_INTERVAL: Duration = Duration::from_millis(100);

/// How long a connection of another proxy of the program waits for its place.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is remembered of a session to find loops. In boxes, since few sessions have them.
#[derive(Debug, Default)]
pub(super) struct LoopMarks {
    /// Its downstream, if that is another proxy of the program.
    pub(super) follows: Option<Box<Follows>>,
    /// Its upstream, if that may be one.
    pub(super) dialed: Option<Box<Dialed>>,
}

impl Relay {
    /// Returns when the connection of `peer`, which has no place yet, is found to close a loop, since it may wait for its own
    /// end. A connection of another proxy of the program waits for [`CHAIN_TIMEOUT`] only: the session that has
    /// dialed it has a place itself, which may be the last one.
    pub(super) async fn wait_for_loop(&self, peer: &Peer) {
        let Some(proxy) = &self.proxy else { return pending().await };
        let began = Instant::now();
        // The session that has dialed it may still have to remember it.
        while let Ok(follows) = proxy.follows(peer) {
            if follows.is_some() && began.elapsed() >= CHAIN_TIMEOUT {
                debug!("client reset, no place for a connection of another proxy within {CHAIN_TIMEOUT:?}");
                return;
            }
            sleep(LOOP_INTERVAL).await;
        }
    }

    /// Fails, with the reason in `summary`, if the downstream closes a loop. Finds out which proxy it comes from, if any.
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
