//! The requests of a session around its two connections.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use fault_proxy_protocol::Protocol;
use fault_proxy_relay::{BoxStream, Stream};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Output, Requests};
use crate::direction::Direction;
use crate::shared::SessionShared;
use crate::stream::FaultStream;
use crate::timer::Timer;

/// A connection of a session whose requests are read: what is read from it passes as faults on requests let it pass.
#[derive(Debug)]
pub(crate) struct RequestStream {
    inner: FaultStream<BoxStream>,
    requests: Arc<Mutex<Requests>>,
    /// Direction of the bytes that are read.
    direction: Direction,
    /// Bytes that were read from the connection and have not passed.
    held: BytesMut,
    end: Option<io::Result<()>>,
    /// Created when a fault needs it, so that other sessions stay small.
    waiting: Option<Box<Waiting>>,
}

/// State that some faults need.
#[derive(Debug)]
struct Waiting {
    timer: Timer,
    /// Bytes of the proxy that pass before all others.
    inserted: Bytes,
}

/// Reads the requests of a session between these two connections.
pub(crate) fn wrap(
    protocol: Protocol,
    client: FaultStream<BoxStream>,
    server: FaultStream<BoxStream>,
) -> [RequestStream; 2] {
    let session = client.session();
    let requests = Requests::new(protocol, Arc::clone(&session.faults), Arc::clone(&session.context));
    let requests = Arc::new(Mutex::new(requests));
    [(client, Direction::ToUpstream), (server, Direction::ToDownstream)].map(|(inner, direction)| {
        RequestStream {
            waiting: None,
            inner,
            requests: Arc::clone(&requests),
            direction,
            held: BytesMut::new(),
            end: None,
        }
    })
}

impl RequestStream {
    fn session(&self) -> &SessionShared {
        self.inner.session()
    }

    fn waiting(&mut self) -> &mut Waiting {
        let timers = &self.inner.session().timers;
        let new = || Box::new(Waiting { timer: Timer::new(timers.clone()), inserted: Bytes::new() });
        self.waiting.get_or_insert_with(new)
    }

    /// Returns the bytes of the proxy that pass next, unless the session has ended.
    fn inserted(&mut self) -> Option<&mut Bytes> {
        let has_ended = self.session().ended().is_some();
        let waiting = self.waiting.as_mut().filter(|waiting| !has_ended && !waiting.inserted.is_empty())?;
        Some(&mut waiting.inserted)
    }

    /// Returns true if there is nothing to do before more bytes are received. Reads no clock.
    fn awaits_more(&self) -> bool {
        self.held.is_empty()
            && self.waiting.is_none()
            && self.end.is_none()
            && self.session().ended().is_none()
            && self.requests.lock().awaits_more(self.direction)
    }

    /// Does what is due until bytes may pass: how many of those that are held. Ready with `None`: inserted bytes are to pass, more bytes are
    /// needed, or the session has ended.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        loop {
            if self.inserted().is_some() {
                return Poll::Ready(None);
            }
            if self.session().ended().is_some() {
                self.held = BytesMut::new();
                return Poll::Ready(None);
            }
            let now = self.session().faults.engine.now();
            let output = self.requests.lock().output(self.direction, now);
            match output {
                Output::Pass(len) => return Poll::Ready(Some(len)),
                Output::More(None) => return Poll::Ready(None),
                Output::More(Some(until)) => {
                    let instant = self.session().faults.engine.instant(until);
                    if self.waiting().timer.poll_until(cx, instant).is_pending() {
                        return Poll::Ready(None);
                    }
                }
                Output::Receive(bytes) => self.held.extend_from_slice(&bytes),
                Output::Insert(bytes) => self.waiting().inserted = bytes,
                Output::Drop(len) => {
                    self.held.advance(len);
                    self.requests.lock().on_dropped(self.direction, len);
                }
                Output::End(end) => {
                    self.session().end(end);
                    // One task polls both directions.
                    cx.waker().wake_by_ref();
                }
                Output::Wait(until) => {
                    let instant = self.session().faults.engine.instant(until);
                    // Other faults may end the session in the meantime.
                    if self.inner.poll_ended(cx).is_pending() {
                        ready!(self.waiting().timer.poll_until(cx, instant));
                    }
                }
            }
        }
    }

    /// Receives bytes. Those that may pass immediately stay in `buf`.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<()> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        if result.is_err() || buf.filled().len() == before {
            let now = self.session().faults.engine.now();
            self.requests.lock().on_end(self.direction, now, result.is_ok());
            self.end = Some(result);
        } else {
            self.on_received(cx, buf, before);
        }
        Poll::Ready(())
    }

    /// Reads the bytes of `buf` behind `before`, and keeps those there that may pass immediately.
    ///
    /// Most polls are pending. This function is not inlined, so that its code does not displace theirs in the cache.
    #[inline(never)]
    fn on_received(&mut self, cx: &Context<'_>, buf: &mut ReadBuf<'_>, before: usize) {
        let now = self.inner.last_arrival();
        let received = &buf.filled()[before..];
        let mut requests = self.requests.lock();
        if requests.on_received(self.direction, now, received) {
            // One task polls both directions.
            cx.waker().wake_by_ref();
        }
        let passing = match requests.passing(self.direction, now) {
            len if self.held.is_empty() => len.min(received.len()),
            _ => 0,
        };
        if passing < received.len() {
            self.held.extend_from_slice(&received[passing..]);
        }
        requests.on_passed(self.direction, passing);
        buf.set_filled(before + passing);
    }

    /// Does what is due, and reads bytes that have waited.
    fn poll_read_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            let due = ready!(self.poll_due(cx));
            if let Some(inserted) = self.inserted() {
                let len = inserted.len().min(buf.remaining());
                buf.put_slice(&inserted.split_to(len));
                self.requests.lock().on_inserted(self.direction, len);
                return Poll::Ready(Ok(()));
            }
            match due {
                Some(len) => {
                    let len = len.min(buf.remaining());
                    buf.put_slice(&self.held[..len]);
                    self.held.advance(len);
                    self.requests.lock().on_passed(self.direction, len);
                    if self.held.is_empty() {
                        self.held = BytesMut::new();
                    }
                    return Poll::Ready(Ok(()));
                }
                // It reports how the session has ended.
                None if self.session().ended().is_some() => {
                    return Pin::new(&mut self.inner).poll_read(cx, buf);
                }
                None => match &mut self.end {
                    Some(end) => return Poll::Ready(mem::replace(end, Ok(()))),
                    None => ready!(self.poll_receive(cx, buf)),
                },
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for RequestStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Most calls end here, so this is short.
        if this.awaits_more() {
            let before = buf.filled().len();
            ready!(this.poll_receive(cx, buf));
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_read_held(cx, buf)
    }
}

impl AsyncWrite for RequestStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        let now = || this.session().faults.engine.now();
        this.requests.lock().on_written(this.direction.opposite(), now, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Stream for RequestStream {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut self.inner)
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        if self.requests.lock().is_transparent() { self.inner.as_tcp() } else { None }
    }

    fn poll_terminated(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The steps that are due may end the session. In most calls, no step is due.
        if !self.awaits_more() {
            let _ = self.poll_due(cx);
        }
        self.inner.poll_terminated(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    #[test]
    fn a_session_that_is_read_takes_little_more_memory() {
        let streams = 2 * (size_of::<RequestStream>() - size_of::<FaultStream<BoxStream>>());
        let session = size_of::<Mutex<Requests>>() + 2 * size_of::<usize>();
        assert!(streams + session <= 1024, "{streams} + {session}");
    }
}
