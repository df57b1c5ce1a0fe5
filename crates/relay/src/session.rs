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
use crate::pool::Pool;
use crate::stats::{ByteCounts, OpenSession};
use crate::stream::BoxStream;
use crate::summary::CloseReason;

mod linger;

pub(crate) use linger::close;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Age in intervals at which a session settles its streams ([`Stream::settle`]).
const SETTLED_CHECKS: u8 = 3;
/// Number of intervals without progress after which the session ends, once a side has failed or closed the session and
/// the other side does not accept the data that arrived before.
const STALLED_CHECKS: u8 = 10;

/// The two streams of a session and the flows between them.
///
/// Dropping it before the session has finished aborts both sides, so that an unfinished session does not look finished.
#[derive(Debug)]
pub(crate) struct Session {
    downstream: BoxStream,
    upstream: BoxStream,
    to_upstream: Flow,
    to_downstream: Flow,
    finished: bool,
    closed: bool,
    check_timer: Option<Pin<Box<Sleep>>>,
    checks: u8,
    moved_at_check: u64,
    stalled_checks: u8,
    live: Option<Arc<OpenSession>>,
}

impl Session {
    /// Returns a session that reports its delivered bytes to `live`.
    pub(crate) fn new(
        downstream: BoxStream,
        upstream: BoxStream,
        data_path: DataPath,
        live: Option<Arc<OpenSession>>,
    ) -> Self {
        Self {
            downstream,
            upstream,
            to_upstream: Flow::new(data_path, true),
            to_downstream: Flow::new(data_path, false),
            finished: false,
            closed: false,
            check_timer: None,
            checks: 0,
            moved_at_check: 0,
            stalled_checks: 0,
            live,
        }
    }

    /// Relays until both directions are done, or until one side has failed and the data that it sent before is
    /// delivered.
    pub(crate) async fn relay(&mut self, pool: &Arc<Pool>) {
        poll_fn(|cx| self.poll(cx, pool)).await;
        // Boxed: few sessions need these futures, and inline they would make all of them larger.
        if !self.finished {
            Box::pin(self.linger_and_abort()).await;
        } else if poll_fn(|cx| Poll::Ready(self.may_receive(cx))).await {
            Box::pin(self.discard_rest()).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, pool: &Arc<Pool>) -> Poll<()> {
        let Self { downstream, upstream, to_upstream, to_downstream, .. } = self;
        _ = to_upstream.poll(&to_downstream.state, cx, &mut **downstream, &mut **upstream, pool);
        let answered = to_downstream.written;
        _ = to_downstream.poll(&to_upstream.state, cx, &mut **upstream, &mut **downstream, pool);
        let is_uploading = to_upstream.is_busy() || to_upstream.awaits_destination();
        if is_uploading && to_downstream.written > answered {
            // An upstream that refuses an upload stops reading it. Then no data carries the acknowledgment that the
            // rest of its response may wait for.
            upstream.acknowledge();
        }
        if let Some(live) = &self.live {
            live.set_bytes(self.bytes());
        }
        loop {
            if matches!((&self.to_upstream.state, &self.to_downstream.state), (State::Done, State::Done)) {
                self.finished = true;
                return Poll::Ready(());
            }
            self.discard_undeliverable(cx);
            // A peer that reads only after it has sent everything would not read the rest.
            if self.is_closing() && matches!(self.poll_discard(cx), Poll::Ready(1..)) {
                cx.waker().wake_by_ref();
            }
            // All bytes from the failed side are delivered or undeliverable, and bytes for it are undeliverable.
            let nothing_is_left = (self.upstream_has_failed() && self.to_downstream.has_ended())
                || (self.downstream_has_failed() && self.to_upstream.has_ended());
            if nothing_is_left || ready!(self.poll_check(cx)) {
                return Poll::Ready(());
            }
        }
    }

    fn upstream_has_failed(&self) -> bool {
        self.to_upstream.destination_error().or(self.to_downstream.source_error()).is_some()
    }

    fn downstream_has_failed(&self) -> bool {
        self.to_downstream.destination_error().or(self.to_upstream.source_error()).is_some()
    }

    /// Returns true while the last data of a session that a stream has closed is delivered.
    fn is_closing(&self) -> bool {
        [&self.to_upstream, &self.to_downstream].iter().any(|flow| matches!(flow.state, State::Closing))
    }

    /// Reads and discards the data for a side that has failed.
    fn discard_undeliverable(&mut self, cx: &mut Context<'_>) {
        let sides =
            [(&mut self.to_upstream, &mut self.downstream), (&mut self.to_downstream, &mut self.upstream)];
        for (flow, source) in sides.into_iter().filter(|(flow, _)| flow.destination_error().is_some()) {
            if let Poll::Ready(1..) = flow.poll_discard(cx, &mut **source) {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Checks both sides once per second while the session is active. A source that is not read, because it has
    /// half-closed or its data is not accepted, can still abort. Ready with `true` if one side has failed and the other
    /// has not accepted any data for too long.
    fn poll_check(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let moved = self.to_upstream.written + self.to_downstream.written;
        let is_idle = self.to_upstream.awaits_source() && self.to_downstream.awaits_source();
        if self.check_timer.is_none()
            && is_idle
            && moved == self.moved_at_check
            && self.checks >= SETTLED_CHECKS
        {
            return Poll::Pending;
        }
        let check_timer = self.check_timer.get_or_insert_with(|| Box::pin(sleep(CHECK_INTERVAL)));
        ready!(check_timer.as_mut().poll(cx));
        self.check_timer = None;
        self.checks = self.checks.saturating_add(1);
        if self.checks == SETTLED_CHECKS {
            self.downstream.settle();
            self.upstream.settle();
        }
        let has_moved = moved != self.moved_at_check;
        let sides =
            [(&mut self.to_upstream, &mut self.downstream), (&mut self.to_downstream, &mut self.upstream)];
        for (flow, source) in sides {
            if flow.awaits_source() {
                if has_moved {
                    source.report_again();
                    cx.waker().wake_by_ref();
                }
            } else if let Some(error) = source.take_error() {
                flow.fail_source(error);
            }
        }
        let waits_for_receiver = (self.upstream_has_failed() && self.to_downstream.awaits_destination())
            || (self.downstream_has_failed() && self.to_upstream.awaits_destination())
            || self.is_closing();
        let is_stalled = waits_for_receiver && !has_moved;
        self.stalled_checks = if is_stalled { self.stalled_checks + 1 } else { 0 };
        self.moved_at_check = moved;
        if self.receiver_is_stalled() {
            for flow in [&mut self.to_upstream, &mut self.to_downstream] {
                if flow.give_up() {
                    self.stalled_checks = 0;
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Ready(self.receiver_is_stalled())
    }

    fn receiver_is_stalled(&self) -> bool {
        self.stalled_checks >= STALLED_CHECKS
    }

    /// Makes dropping the session close both connections instead of aborting them.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Returns the number of bytes written to each side.
    pub(crate) fn bytes(&self) -> ByteCounts {
        ByteCounts { to_upstream: self.to_upstream.written, to_downstream: self.to_downstream.written }
    }

    /// Returns how the downstream and the upstream ended.
    pub(crate) fn ends(&self) -> (CloseReason, CloseReason) {
        let (up, down) = (&self.to_upstream, &self.to_downstream);
        let otherwise = match (self.finished, self.closed) {
            (true, _) => CloseReason::Finished,
            (false, true) => CloseReason::Closed,
            (false, false) => CloseReason::AbortedByRelay,
        };
        (side_end(up, down, &otherwise), side_end(down, up, &otherwise))
    }
}

/// Returns how one side ended. `from_it` is the flow that reads from this side, `to_it` the flow that writes to it.
fn side_end(from_it: &Flow, to_it: &Flow, otherwise: &CloseReason) -> CloseReason {
    from_it.source_error().or(to_it.destination_error()).map_or_else(|| otherwise.clone(), failed)
}

fn failed(error: &io::Error) -> CloseReason {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => CloseReason::Aborted,
        _ => CloseReason::Failed(error.to_string()),
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

#[cfg(test)]
mod tests;
