//! A byte stream to which faults are applied.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
#[cfg(feature = "relay")]
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::direction::Side;
use crate::flow::{FaultFlow, reset};
use crate::shared::SessionEnd;
#[cfg(feature = "relay")]
use crate::shared::SessionShared;
use crate::stage::chunk::FlowEnd;

/// A stream that applies the faults of its [`Session`](crate::Session) to its bytes.
///
/// [`AsyncBufRead`] reads without a copy.
///
/// If faults act on written bytes, the stream holds these bytes, as a network does. They move on whenever the stream is polled, to
/// read or to write. `poll_flush` waits until all of them have left. A client that writes and then reads does not need to flush, but a
/// client that only writes does.
///
/// # Errors
/// A reset by a fault is [`ConnectionReset`](io::ErrorKind::ConnectionReset) to reads and writes; a session that a
/// fault has closed reads as an end of file and is a [`BrokenPipe`](io::ErrorKind::BrokenPipe) to writes.
///
/// # Cancel safety
/// The same as that of the inner stream: dropping a read or write loses no data.
#[derive(Debug)]
pub struct FaultStream<S> {
    inner: S,
    ingress: FaultFlow,
    /// In a box, since the connections of a relay do not have one: idle sessions stay small.
    egress: Option<Box<Egress>>,
    side: Side,
}

#[derive(Debug)]
struct Egress {
    flow: FaultFlow,
    is_shut: bool,
    /// Task that reads. Its polls also move written bytes on.
    reader: Option<Waker>,
    /// Task that waits until written bytes have moved on.
    writer: Option<Waker>,
}

impl<S> FaultStream<S> {
    pub(crate) fn reading(inner: S, ingress: FaultFlow, side: Side) -> Self {
        Self { inner, ingress, egress: None, side }
    }

    pub(crate) fn both_ways(inner: S, ingress: FaultFlow, egress: FaultFlow) -> Self {
        let egress = Egress { flow: egress, is_shut: false, reader: None, writer: None };
        Self { inner, ingress, egress: Some(Box::new(egress)), side: Side::Both }
    }

    #[cfg(feature = "relay")]
    pub(crate) fn session(&self) -> &SessionShared {
        &self.ingress.shared
    }

    /// Returns when the bytes that were read last have arrived, or the present time while faults act.
    #[cfg(feature = "relay")]
    pub(crate) fn last_arrival(&self) -> Duration {
        self.ingress.last_arrival()
    }

    /// The stream inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The stream inside. What is read or written there escapes the faults.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns true if bytes currently pass unchanged: no fault is on, and no bytes are held.
    pub fn is_passthrough(&self) -> bool {
        self.ingress.is_passthrough()
            && self.egress.as_ref().is_none_or(|egress| egress.flow.is_passthrough())
    }

    /// Returns true if a fault has reset the other connection of the session, so that this one must be closed, not reset.
    pub fn is_spared(&self) -> bool {
        match self.ingress.shared.ended() {
            Some(SessionEnd::Reset(sides, _) | SessionEnd::ResetNow(sides)) => {
                sides != Side::Both && sides != self.side
            }
            _ => false,
        }
    }

    /// Returns true if a fault has reset the session behind data that was read from this stream and must still be sent.
    pub fn is_reset_behind_data(&self) -> bool {
        let ended = self.ingress.shared.ended();
        matches!(ended, Some(SessionEnd::Reset(_, direction)) if direction == self.ingress.direction)
    }

    /// Returns true if a fault has ended the session, and this connection must be closed, not reset.
    #[cfg(feature = "relay")]
    pub(crate) fn is_closed(&self) -> bool {
        self.ingress.shared.ended() == Some(SessionEnd::Closed) || self.is_spared()
    }

    /// Advances the faults on received bytes while the caller does not read, for example because it cannot write them. Ready once a
    /// fault has ended the session.
    ///
    /// # Errors
    /// Returns an error if the fault has reset the session.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ingress.poll_ended(cx) {
            None => Poll::Pending,
            Some(SessionEnd::Closed) => Poll::Ready(Ok(())),
            Some(SessionEnd::Reset(..) | SessionEnd::ResetNow(_)) => Poll::Ready(Err(reset())),
        }
    }

    fn write_error(&self) -> Option<io::Error> {
        Some(match self.ingress.shared.ended()? {
            SessionEnd::Closed => io::ErrorKind::BrokenPipe.into(),
            SessionEnd::Reset(..) | SessionEnd::ResetNow(_) => io::ErrorKind::ConnectionReset.into(),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FaultStream<S> {
    /// Waits for bytes that may be read: how many, 0 at the end.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ingress.drop_undeliverable();
        let may_be_more = self.ingress.poll_fill(cx, &mut self.inner).is_ready();
        let head = self.ingress.poll_head(cx);
        if head.is_pending() && may_be_more {
            cx.waker().wake_by_ref();
        }
        head
    }

    /// Moves written bytes on while a task reads.
    fn poll_egress_of_reader(&mut self, cx: &mut Context<'_>) {
        let Some(egress) = &mut self.egress else { return };
        egress.reader = Some(cx.waker().clone());
        // The next write returns a failure.
        if egress.poll_drain(cx, &mut self.inner).is_ready()
            && let Some(writer) = egress.writer.take()
        {
            writer.wake();
        }
    }
}

impl Egress {
    /// Writes what may go until nothing is left.
    fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        inner: &mut S,
    ) -> Poll<io::Result<()>> {
        while !self.flow.is_empty() {
            match ready!(self.flow.poll_head(cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                len => {
                    let written = ready!(Pin::new(&mut *inner).poll_write(cx, self.flow.head(len)))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.flow.consume(written);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Before the writer returns without waiting for its bytes: the reader sees to them.
    fn hand_over(&mut self, cx: &Context<'_>) {
        if let Some(reader) = self.reader.take_if(|reader| !reader.will_wake(cx.waker())) {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for FaultStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        this.poll_egress_of_reader(cx);
        let len = ready!(this.poll_readable(cx))?;
        Poll::Ready(Ok(this.ingress.head(len)))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_mut().ingress.consume(amt);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FaultStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_egress_of_reader(cx);
        if this.ingress.poll_passthrough(cx) {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if this.ingress.is_up_to_date() {
                this.ingress.on_bypassed(buf.filled().len() - before);
                return Poll::Ready(Ok(()));
            }
            // The faults have changed in the meantime, and the peer may have sent these bytes after the change.
            this.ingress.write_unbounded(&buf.filled()[before..]);
            buf.set_filled(before);
        }
        let len = ready!(this.poll_readable(cx))?;
        let head = this.ingress.head(len.min(buf.remaining()));
        buf.put_slice(head);
        let taken = head.len();
        if taken > 0 {
            this.ingress.consume(taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FaultStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = this.write_error() {
            return Poll::Ready(Err(error));
        }
        let Some(egress) = &mut this.egress else { return Pin::new(&mut this.inner).poll_write(cx, buf) };
        if egress.flow.poll_passthrough(cx) {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
            egress.flow.on_bypassed(written);
            return Poll::Ready(Ok(written));
        }
        if !egress.flow.has_room() {
            egress.flow.keep_source_waiting();
            egress.writer = Some(cx.waker().clone());
            if let Poll::Ready(Err(error)) = egress.poll_drain(cx, &mut this.inner) {
                return Poll::Ready(Err(error));
            }
            if !egress.flow.has_room() {
                return Poll::Pending;
            }
        }
        let taken = egress.flow.write(buf);
        if let Poll::Ready(Err(error)) = egress.poll_drain(cx, &mut this.inner) {
            return Poll::Ready(Err(error));
        }
        egress.hand_over(cx);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(egress) = &mut this.egress {
            egress.writer = Some(cx.waker().clone());
            ready!(egress.poll_drain(cx, &mut this.inner))?;
        }
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(egress) = this.egress.as_mut().filter(|egress| !egress.is_shut) {
            egress.flow.finish(FlowEnd::Finish);
            egress.writer = Some(cx.waker().clone());
            ready!(egress.poll_drain(cx, &mut this.inner))?;
            // The end itself may be held.
            ready!(egress.flow.poll_head(cx))?;
            egress.is_shut = true;
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
