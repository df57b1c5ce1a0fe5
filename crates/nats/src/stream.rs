//! The byte stream of a session over NATS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_nats::Client;
use async_nats::client::PublishErrorKind;
use async_nats::message::OutboundMessage;
use bytes::{Buf, Bytes};
use fault_proxy_relay::Stream;
use futures_util::Sink;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::link::NatsConnection;
use crate::session;
use crate::shared::Shared;

/// A connection that NATS carries.
///
/// - Written data is kept until the peer has delivered it. A write waits while the peer does not accept more data, or
///   NATS is not connected. `shutdown` half-closes, and returns when the peer has delivered everything including the
///   end of file.
/// - Dropping the stream closes it in the background, and written data is still delivered. After [`Stream::abort`] the
///   peer sees a reset instead. The reset follows the written data only if [`Stream::poll_sent`] was called before.
///   Unread data causes a reset as well, which follows the written data.
/// - Errors are of the kind `ConnectionReset` if the connection at the peer was reset, and of another kind with a
///   reason if either end gave up. Data that has arrived is read before the error.
pub struct NatsStream {
    shared: Arc<Shared>,
    link: NatsConnection,
    client: Client,
    /// True while the client has been asked for a place in its queue and has not provided it yet.
    is_queueing: bool,
    chunk: Bytes,
    is_aborted: bool,
    /// True if the abort follows all written data.
    delivers_first: bool,
    has_reported_error: bool,
}

impl NatsStream {
    pub(crate) fn new(shared: Arc<Shared>, link: NatsConnection) -> Self {
        Self {
            shared,
            client: link.client().clone(),
            link,
            is_queueing: false,
            chunk: Bytes::new(),
            is_aborted: false,
            delivers_first: false,
            has_reported_error: false,
        }
    }

    /// Leaves the client's queue, so that other tasks get the place.
    fn leave_queue(&mut self) {
        if std::mem::take(&mut self.is_queueing) {
            self.client = self.client.clone();
        }
    }
}

impl Stream for NatsStream {
    fn abort(&mut self) {
        self.is_aborted = true;
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        Some(self)
    }

    /// The session delivers the written data, and sends the reset after it.
    fn poll_sent(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        self.delivers_first = true;
        Poll::Ready(())
    }

    fn take_error(&mut self) -> Option<io::Error> {
        if self.has_reported_error {
            return None;
        }
        let inner = self.shared.lock();
        let error = inner.core.failure();
        self.has_reported_error = error.is_some();
        error
    }
}

impl AsyncBufRead for NatsStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.chunk.is_empty() {
            let now = this.shared.clock.now();
            let mut inner = this.shared.lock();
            if let Some(chunk) = inner.core.next_chunk() {
                this.chunk = chunk;
            } else if inner.core.take_end(now) {
                inner.wake_driver();
            } else if let Some(error) = inner.core.read_failure() {
                this.has_reported_error = true;
                return Poll::Ready(Err(error));
            } else {
                inner.wait_to_read(cx);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.chunk.advance(bytes);
        let now = self.shared.clock.now();
        let mut inner = self.shared.lock();
        inner.core.consumed(now, bytes);
        inner.wake_driver();
    }
}

impl AsyncRead for NatsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let held = ready!(self.as_mut().poll_fill_buf(cx))?;
        let bytes = held.len().min(buf.remaining());
        buf.put_slice(&held[..bytes]);
        self.consume(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for NatsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let shared = Arc::clone(&this.shared);
        let mut inner = shared.lock();
        if let Some(error) = inner.core.failure() {
            return Poll::Ready(Err(error));
        }
        let room = inner.core.room(this.link.max_message()).min(bytes.len());
        if room == 0 {
            this.leave_queue();
            inner.wait_to_write(cx);
            return Poll::Pending;
        }
        match Pin::new(&mut this.client).poll_ready(cx) {
            Poll::Ready(Ok(())) => this.is_queueing = false,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            Poll::Pending => {
                this.is_queueing = true;
                inner.wait_to_write(cx);
                return Poll::Pending;
            }
        }
        let payload = inner.core.write(shared.clock.now(), &bytes[..room]);
        let message =
            OutboundMessage { subject: shared.subjects.peer.clone(), reply: None, payload, headers: None };
        // A new connection has a smaller limit. The session keeps the message and sends it again in shorter ones.
        if let Err(error) = Pin::new(&mut this.client).start_send(message)
            && error.kind() != PublishErrorKind::MaxPayloadExceeded
        {
            return Poll::Ready(Err(io::Error::other(error)));
        }
        inner.wake_driver();
        Poll::Ready(Ok(room))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.leave_queue();
        let now = this.shared.clock.now();
        let mut inner = this.shared.lock();
        if inner.core.is_delivered() {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = inner.core.failure() {
            return Poll::Ready(Err(error));
        }
        inner.core.finish(now);
        inner.wait_to_write(cx);
        inner.wake_driver();
        Poll::Pending
    }
}

impl Drop for NatsStream {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        let mut inner = self.shared.lock();
        match (self.is_aborted, self.delivers_first) {
            (true, true) => inner.core.reset(now, session::WAS_RESET),
            (true, false) => inner.core.abort(now, session::WAS_RESET),
            (false, _) if !self.chunk.is_empty() => inner.core.reset(now, session::CLOSED_UNREAD),
            (false, _) => {}
        }
        inner.core.close(now);
        inner.wake_driver();
    }
}

impl fmt::Debug for NatsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsStream").field("subjects", &self.shared.subjects).finish_non_exhaustive()
    }
}
