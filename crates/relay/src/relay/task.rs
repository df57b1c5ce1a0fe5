//! The task of a session: opens the session, relays it and reports its end.

use std::sync::Arc;
use std::time::Instant;

use tokio::select;

use super::Relay;
use super::chains::LoopMarks;
use super::pending::PendingDownstream;
use crate::connect::Connector;
use crate::places::Place;
use crate::route::Route;
use crate::session::Session;
use crate::shutdown::Shutdown;
use crate::stats::{ByteCounts, SessionGuard};
use crate::stream::{BoxStream, Legs, Peer};
use crate::summary::{CloseReason, SessionSummary};

/// State that the sessions of one [`Relay::run`] share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) relay: Relay,
    pub(super) route: Route,
    pub(super) shutdown: Shutdown,
}

/// One session.
pub(super) struct SessionTask {
    /// Connector that came with the downstream, or `None` to use the connector of the route.
    pub(super) connector: Option<Arc<dyn Connector>>,
    pub(super) marks: LoopMarks,
    pub(super) summary: SessionSummary,
    listed: Option<SessionGuard>,
    started: Instant,
    /// The last field, because fields drop in order: the next session begins when this one has been dropped.
    _place: Place,
}

impl SessionTask {
    pub(super) fn new(
        relay: &Relay,
        id: u64,
        peer: Peer,
        connector: Option<Arc<dyn Connector>>,
        place: Place,
    ) -> Self {
        let started = Instant::now();
        let listed = relay.tracker.as_ref().map(|live| live.begin(id, peer.clone()));
        let summary = SessionSummary {
            id,
            downstream: peer,
            upstream: None,
            bytes: ByteCounts::default(),
            duration: started.elapsed(),
            downstream_end: CloseReason::AbortedByRelay,
            upstream_end: CloseReason::AbortedByRelay,
            not_opened: None,
        };
        Self { connector, marks: LoopMarks::default(), summary, listed, started, _place: place }
    }

    /// Opens and relays the session.
    // Not an async function: its future would store each argument twice, as passed and as a variable. There may be many
    // idle sessions, and this future is most of the memory of each.
    pub(super) fn run(
        mut self,
        run: Arc<Run>,
        downstream: BoxStream,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut downstream = PendingDownstream(Some(downstream));
        async move {
            let opened = select! {
                biased;
                opened = self.open(&run, &mut downstream) => opened,
                () = run.shutdown.closed() => None,
                () = run.shutdown.aborted() => None,
            };
            drop(downstream);
            if let Some(Legs { downstream, upstream }) = opened {
                let live = self.listed.as_ref().map(|SessionGuard { session, .. }| Arc::clone(session));
                if let (Some(live), Some(upstream)) = (&live, &self.summary.upstream) {
                    live.set_upstream(upstream.clone());
                }
                let shared = &run.relay.shared;
                let mut session = Session::new(downstream, upstream, shared.config.data_path, live);
                select! {
                    biased;
                    () = session.relay(&shared.pool) => {}
                    () = run.shutdown.closed() => session.close(),
                    () = run.shutdown.aborted() => {}
                }
                self.summary.bytes = session.bytes();
                (self.summary.downstream_end, self.summary.upstream_end) = session.ends();
            }
            self.ended(&run.relay);
        }
    }

    fn ended(&mut self, relay: &Relay) {
        self.summary.duration = self.started.elapsed();
        if let Some(listed) = self.listed.take() {
            listed.ended(&self.summary);
        }
        relay.failures.report(&self.summary, relay.fields());
        if let Some(observer) = &relay.observer {
            observer(&self.summary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::connect::TcpConnector;
    use crate::places::Places;

    /// Memory of a session's future, in bytes. The runtime allocates it with about 170 bytes for the task and the tracing span,
    /// rounded up to a multiple of 128: with this size that is 1,024. One field more makes an idle session 256 bytes larger.
    const MAX_SIZE: usize = 824;

    #[tokio::test]
    async fn the_future_of_a_session_is_small() {
        let relay = Relay::new(Config::default());
        let place = Places::new(1).join().place().await;
        let peer = Peer::Name("a".into());
        let task = SessionTask::new(&relay, 1, peer, None, place);
        let route = Route::to(TcpConnector::new("localhost", 1));
        let run = Arc::new(Run { relay, route, shutdown: Shutdown::new() });
        let size = size_of_val(&task.run(run, Box::new(tokio::io::duplex(1).0)));
        assert!(size <= MAX_SIZE, "{size} bytes");
    }
}
