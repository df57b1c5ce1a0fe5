//! The time between the last delivery of a session and the end of its connections.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, empty};
use tokio::time::timeout;

use super::Session;
use crate::flow::{State, poll_discard};
use crate::stream::{BoxStream, Stream};

/// Maximum time for the peers of a session that a stream has closed to close their connections.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without data from them after which the connections are closed.
const PEER_PAUSE: Duration = Duration::from_secs(5);
/// Maximum time for the system to send the delivered data.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time for a client that is still sending to read its response and stop.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause in the upload after which the client is considered to have stopped.
const CLIENT_PAUSE: Duration = Duration::from_millis(250);

impl Session {
    /// Ends a failed session. Aborts its connections, except one that its stream spares, which is closed.
    pub(super) async fn linger_and_abort(&mut self) {
        self.linger().await;
        let [spares_downstream, spares_upstream] = poll_fn(|cx| {
            let sides = [&mut self.downstream, &mut self.upstream];
            Poll::Ready(sides.map(|side| !matches!(side.poll_discard(cx), Poll::Ready(0))))
        })
        .await;
        let (spared, aborted) = match (spares_downstream, spares_upstream) {
            (true, false) => (&mut self.downstream, &mut self.upstream),
            (false, true) => (&mut self.upstream, &mut self.downstream),
            // Dropping the session aborts them.
            _ => return,
        };
        aborted.abort();
        *aborted = Box::new(empty());
        if let Ok(Ok(())) = timeout(CLIENT_TIMEOUT, spared.shutdown()).await {
            self.discard_rest().await;
        }
    }

    /// Waits until the data that was delivered to a side that has not failed has been sent, because the abort would
    /// discard it.
    ///
    /// Does not wait if the receiver is stalled. If a stream has terminated the session, waits only for data before the
    /// position of the end.
    async fn linger(&mut self) {
        if self.receiver_is_stalled() {
            return;
        }
        if self.is_terminated().await {
            // Data in the other direction is discarded: its receiver may be stalled.
            let destination =
                match (self.downstream.terminates_behind_data(), self.upstream.terminates_behind_data()) {
                    (true, _) => &mut self.upstream,
                    (_, true) => &mut self.downstream,
                    _ => return,
                };
            _ = timeout(SEND_TIMEOUT, poll_fn(|cx| destination.poll_sent(cx))).await;
            return;
        }
        if self.to_downstream.written > 0 && !self.downstream_has_failed() {
            self.linger_downstream().await;
        }
        if self.to_upstream.written > 0 && !self.upstream_has_failed() {
            let sent = poll_fn(|cx| self.upstream.poll_sent(cx));
            _ = timeout(SEND_TIMEOUT, sent).await;
        }
    }

    /// Returns true if a stream has closed the session and a peer may still send.
    pub(super) fn may_receive(&mut self, cx: &mut Context<'_>) -> bool {
        !matches!(self.poll_discard(cx), Poll::Ready(0))
    }

    /// Discards what the peers still send after both half-closes, until they have closed their connections, or pause.
    /// RFC 9112, section 9.6, describes the reason.
    pub(super) async fn discard_rest(&mut self) {
        let discarded =
            async { while let Ok(1..) = timeout(PEER_PAUSE, poll_fn(|cx| self.poll_discard(cx))).await {} };
        _ = timeout(PEER_TIMEOUT, discarded).await;
    }

    /// Returns the number of discarded bytes of both peers, or 0 if they will not send more.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let sides = [&mut self.downstream, &mut self.upstream].map(|side| side.poll_discard(cx));
        match sides {
            [Poll::Ready(0), other] | [other, Poll::Ready(0)] => other,
            [Poll::Ready(len), _] | [_, Poll::Ready(len)] => Poll::Ready(len),
            [Poll::Pending, Poll::Pending] => Poll::Pending,
        }
    }

    async fn is_terminated(&mut self) -> bool {
        poll_fn(|cx| {
            let is_terminated = self.downstream.poll_terminated(cx).is_ready()
                || self.upstream.poll_terminated(cx).is_ready();
            Poll::Ready(is_terminated)
        })
        .await
    }

    /// Waits until the delivered data has been sent to the client. A client that is reset while it sends often does not
    /// read the response that it has received, so the relay first discards what the client sends until the client
    /// stops.
    async fn linger_downstream(&mut self) {
        let Self { to_upstream, downstream, .. } = self;
        let is_sending = match to_upstream.state {
            State::Running => to_upstream.is_busy() || !to_upstream.awaits_source(),
            State::WriteFailed(_) => true,
            State::Closing | State::Finishing | State::Done | State::ReadFailed(_) => false,
        };
        let sent = poll_fn(|cx| {
            if is_sending && matches!(to_upstream.poll_discard(cx, &mut **downstream), Poll::Ready(1..)) {
                cx.waker().wake_by_ref();
            }
            downstream.poll_sent(cx)
        });
        _ = timeout(SEND_TIMEOUT, sent).await;
        if is_sending {
            discard_until_pause(&mut **downstream).await;
        }
    }
}

/// Closes the connection of a client whose session was not opened, and discards what the client sends for a short time.
/// Unread data would turn the close into an abort.
pub(crate) async fn close(mut downstream: BoxStream) {
    let closed = timeout(CLIENT_TIMEOUT, downstream.shutdown()).await;
    if matches!(closed, Ok(Ok(()))) {
        discard_until_pause(&mut *downstream).await;
    }
}

/// Discards what the client sends until it ends or pauses, for at most [`CLIENT_TIMEOUT`].
async fn discard_until_pause(downstream: &mut dyn Stream) {
    let paused = async {
        loop {
            let discarded = poll_fn(|cx| poll_discard(cx, downstream));
            if !matches!(timeout(CLIENT_PAUSE, discarded).await, Ok(Ok(1..))) {
                break;
            }
        }
    };
    _ = timeout(CLIENT_TIMEOUT, paused).await;
}
