//! One session: both directions in one task, and how it ends.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::DataPath;
use crate::flow::{Flow, State};
use crate::live::{LiveSession, Moved};
use crate::pool::Pool;
use crate::stream::BoxStream;
use crate::summary::End;

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The two streams of a session and what moves between them.
///
/// Dropped before its end, it aborts both sides: an unfinished session must not look finished to anyone.
#[derive(Debug)]
pub(crate) struct Session {
    downstream: BoxStream,
    upstream: BoxStream,
    to_upstream: Flow,
    to_downstream: Flow,
    finished: bool,
    closed: bool,
    look_at_sources: Option<Pin<Box<Sleep>>>,
    live: Option<Arc<LiveSession>>,
}

impl Session {
    /// `live` is told what it has moved.
    pub(crate) fn new(
        downstream: BoxStream,
        upstream: BoxStream,
        data_path: DataPath,
        live: Option<Arc<LiveSession>>,
    ) -> Self {
        Self {
            downstream,
            upstream,
            to_upstream: Flow::new(data_path),
            to_downstream: Flow::new(data_path),
            finished: false,
            closed: false,
            look_at_sources: None,
            live,
        }
    }

    /// Relays until both directions are done or a side has failed.
    pub(crate) async fn relay(&mut self, pool: &Arc<Pool>) {
        poll_fn(|cx| self.poll(cx, pool)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>, pool: &Arc<Pool>) -> Poll<()> {
        let Self { downstream, upstream, to_upstream, to_downstream, .. } = self;
        let up = to_upstream.poll(&to_downstream.state, cx, &mut **downstream, &mut **upstream, pool);
        let down = to_downstream.poll(&to_upstream.state, cx, &mut **upstream, &mut **downstream, pool);
        if let Some(live) = &self.live {
            live.set_moved(Moved { to_upstream: to_upstream.moved, to_downstream: to_downstream.moved });
        }
        let is_over = match (&to_upstream.state, &to_downstream.state) {
            (State::Done, State::Done) => {
                self.finished = true;
                true
            }
            (State::ReadFailed(_), _) | (_, State::ReadFailed(_)) => true,
            // A side that takes no more may have sent its last words before: they are still delivered.
            (State::WriteFailed(_), _) => down.is_ready() || to_downstream.awaits_source(),
            (_, State::WriteFailed(_)) => up.is_ready() || to_upstream.awaits_source(),
            _ => false,
        };
        if is_over { Poll::Ready(()) } else { self.poll_unread_sources(cx) }
    }

    /// A source that is not read, because it has half-closed or its bytes are not taken, can still abort: look now
    /// and then.
    fn poll_unread_sources(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let sides = [
                (&mut self.to_upstream, &mut self.downstream),
                (&mut self.to_downstream, &mut self.upstream),
            ];
            let mut unread = sides.into_iter().filter(|(flow, _)| !flow.awaits_source()).peekable();
            if unread.peek().is_none() {
                return Poll::Pending;
            }
            let look = self.look_at_sources.get_or_insert_with(|| Box::pin(sleep(LOOK_INTERVAL)));
            ready!(look.as_mut().poll(cx));
            for (flow, source) in unread {
                if let Some(error) = source.take_error() {
                    flow.state = State::ReadFailed(error);
                    return Poll::Ready(());
                }
            }
            self.look_at_sources = None;
        }
    }

    /// Both connections are closed when it drops, and not aborted.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn bytes_to_upstream(&self) -> u64 {
        self.to_upstream.moved
    }

    pub(crate) fn bytes_to_downstream(&self) -> u64 {
        self.to_downstream.moved
    }

    /// How the downstream and the upstream ended.
    pub(crate) fn ends(&self) -> (End, End) {
        let (up, down) = (&self.to_upstream.state, &self.to_downstream.state);
        let otherwise = match (self.finished, self.closed) {
            (true, _) => End::Finished,
            (false, true) => End::Closed,
            (false, false) => End::Cut,
        };
        (side_end(up, down, &otherwise), side_end(down, up, &otherwise))
    }
}

/// `from_it` is the direction that reads this side, `to_it` the one that writes it.
fn side_end(from_it: &State, to_it: &State, otherwise: &End) -> End {
    match (from_it, to_it) {
        (State::ReadFailed(error), _) | (_, State::WriteFailed(error)) => failed(error),
        _ => otherwise.clone(),
    }
}

fn failed(error: &io::Error) -> End {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => End::Aborted,
        _ => End::Failed(error.to_string()),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.finished && !self.closed {
            self.downstream.abort();
            self.upstream.abort();
        }
    }
}
