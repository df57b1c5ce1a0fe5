//! What a session relays: any byte stream that can also be aborted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::{socket, sys};

/// One end of a session.
///
/// A clean end is spoken through [`AsyncRead`] (end of file = the peer's half-close) and [`AsyncWrite`]
/// (`poll_shutdown` = ours); the other ending, the abort, is [`abort`](Stream::abort).
///
/// A wrapper returns the stream that it wraps from [`inner`](Stream::inner). The provided methods ask that stream, so a wrapper only
/// implements those in which it takes part. Every stream has to answer the required methods itself: a default that is wrong
/// for a wrapper would go unnoticed.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Makes dropping this stream an abort (TCP: RST) instead of a half-close, and gives up what is not yet sent.
    ///
    /// A transport without aborts does nothing: its peer then sees an end of file.
    fn abort(&mut self);

    /// The stream that this one wraps; `None` if it wraps none.
    fn inner(&mut self) -> Option<&mut dyn Stream>;

    /// The socket that carries this stream's bytes unchanged *at this moment*, if there is one.
    ///
    /// While both streams of a session answer `Some`, the relay may move bytes between the sockets without reading
    /// them. It asks again before every transfer, so a stream that begins to change, delay or count bytes answers
    /// `None` from then on and sees every later byte through `poll_read` and `poll_write`. A stream that holds
    /// bytes of its own (read ahead, not yet written) must answer `None`.
    fn as_tcp(&self) -> Option<&TcpStream>;

    /// The stream itself, if it holds bytes that can be written on from where they are.
    ///
    /// The relay asks before every transfer, and prefers it to `poll_read`, which would copy them once more. A wrapper passes
    /// the answer on only while it changes no byte.
    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)>;

    /// Ready once the session is to end whatever of it is undelivered: closed, or reset where it is an error. The relay asks
    /// while it holds bytes of this stream that the other side does not take, and so does not read on.
    fn poll_terminated(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().map_or(Poll::Pending, |inner| inner.poll_terminated(cx))
    }

    /// Ready once the transport has sent everything that was written, or never will. The relay asks before it aborts a
    /// stream, since an abort gives up what is not yet sent. Nothing is written to the stream afterwards.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner().map_or(Poll::Ready(()), |inner| inner.poll_sent(cx))
    }

    /// Sends small writes at once from now on (TCP: Nagle off). The relay calls it on the upstream before its second
    /// write: the first is never delayed, and many sessions have no other.
    fn set_nodelay(&mut self) {
        if let Some(inner) = self.inner() {
            inner.set_nodelay();
        }
    }

    /// Acknowledges now what was read, instead of with the next bytes that are written (TCP: quick ACK). Until then a peer
    /// may hold back its next small write.
    fn acknowledge(&mut self) {
        if let Some(inner) = self.inner() {
            inner.acknowledge();
        }
    }

    /// Called once, when the session is a few seconds old: what only long sessions need, such as keep-alive.
    fn settle(&mut self) {
        if let Some(inner) = self.inner() {
            inner.settle();
        }
    }

    /// Called within a second or two after bytes were read: has the transport report bytes that it holds back. `poll_read` is called
    /// afterwards.
    fn report_again(&mut self) {
        if let Some(inner) = self.inner() {
            inner.report_again();
        }
    }

    /// The error that has ended the connection, where the transport can tell without reading on: the relay asks when
    /// it does not read, because the stream has half-closed or the other side takes nothing.
    fn take_error(&mut self) -> Option<io::Error> {
        self.inner()?.take_error()
    }
}

/// A stream of any kind.
pub type BoxStream = Box<dyn Stream>;

/// The two connections of a session.
#[derive(Debug)]
pub struct Legs {
    /// The connection to the client, after its handshake.
    pub downstream: BoxStream,
    /// The connection to the upstream.
    pub upstream: BoxStream,
}

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("tcp", &self.as_tcp()).finish_non_exhaustive()
    }
}

impl Stream for TcpStream {
    fn abort(&mut self) {
        // Fails only on a socket that is already gone, and then there is nothing left to abort.
        let _ = self.set_zero_linger();
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        None
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        socket::poll_sent(self, cx)
    }

    fn set_nodelay(&mut self) {
        // Fails only on a socket that is already gone, which the write reports.
        let _ = TcpStream::set_nodelay(self, true);
    }

    fn acknowledge(&mut self) {
        sys::acknowledge(self);
    }

    fn settle(&mut self) {
        // Fails only on a socket that is already gone, which its next read reports.
        let _ = socket::keep_alive(&*self);
    }

    fn report_again(&mut self) {
        sys::report_again(self);
    }

    fn take_error(&mut self) -> Option<io::Error> {
        TcpStream::take_error(self).ok().flatten()
    }
}

/// Unix sockets have no RST: an abort is a close.
#[cfg(unix)]
impl Stream for UnixStream {
    fn abort(&mut self) {}

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        None
    }
}

/// For tests without sockets. An abort is a close.
impl Stream for DuplexStream {
    fn abort(&mut self) {}

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        None
    }
}

/// Who is at the other end of a stream, for logs and summaries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A socket address.
    Socket(SocketAddr),
    /// Anything else that can be named: a path, a subject.
    Name(Box<str>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(addr) => addr.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Self {
        Self::Socket(addr)
    }
}

#[cfg(test)]
mod tests;
