//! Streams that a session relays: byte streams that can also be aborted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, DuplexStream, Empty};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::{socket, sys};

/// One end of a session.
///
/// An end of file from [`AsyncRead`] is the peer's half-close, and `poll_shutdown` of [`AsyncWrite`] sends the local
/// half-close. [`abort`](Stream::abort) ends the stream without a half-close.
///
/// A wrapper returns the stream that it wraps from [`inner`](Stream::inner). The provided methods call the wrapped
/// stream, so a wrapper only implements the methods whose behavior it changes. [`as_tcp`](Stream::as_tcp) and
/// [`as_buffered`](Stream::as_buffered) do not call it but return `None`, because the result of the wrapped stream
/// would let bytes bypass the wrapper.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Makes dropping this stream an abort (TCP: RST) instead of a half-close, and discards data that is not sent yet.
    ///
    /// A transport without aborts does nothing, and its peer sees an end of file.
    fn abort(&mut self) {
        if let Some(inner) = self.inner() {
            inner.abort();
        }
    }

    /// Returns the wrapped stream, or `None` if this is not a wrapper.
    fn inner(&mut self) -> Option<&mut dyn Stream>;

    /// Returns the socket that carries this stream's bytes unchanged *at this moment*, if there is one.
    ///
    /// While both streams of a session return `Some`, the relay may move bytes between the sockets without reading
    /// them. It asks again before every transfer, so a stream that begins to change, delay or count bytes returns
    /// `None` from then on and sees every later byte through `poll_read` and `poll_write`. A stream that holds
    /// bytes in its own buffers (read ahead, or not yet written) must return `None`.
    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    /// Returns the buffer of this stream if its bytes can be forwarded directly from it.
    ///
    /// The relay calls this before every transfer and prefers the buffer to `poll_read`, which would copy the bytes
    /// once more. A wrapper may return the buffer of its stream only while it does not change any bytes.
    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        None
    }

    /// Ready once the session must end: `Ok` closes it behind the data that was read, and an error resets it, even with
    /// undelivered data. The relay calls this while it holds bytes of this stream that the other side does not accept,
    /// because it does not read the stream then.
    fn poll_terminated(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().map_or(Poll::Pending, |inner| inner.poll_terminated(cx))
    }

    /// Returns true if the end that [`poll_terminated`](Stream::poll_terminated) reports has a position in the data
    /// that was read from this stream. The relay then waits for a limited time until the data before it has been sent
    /// to the other stream.
    fn terminates_behind_data(&mut self) -> bool {
        self.inner().is_some_and(|inner| inner.terminates_behind_data())
    }

    /// Reads and discards data of the peer after this stream has ended the session and its connection must be closed.
    /// Returns the number of bytes, or 0 once the peer has ended its side too. Always returns 0 otherwise.
    ///
    /// The relay calls this for a limited time after the local half-close. A connection that is dropped with unread
    /// data aborts (TCP: RST), and an abort destroys data that the peer has not read yet.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.inner().map_or(Poll::Ready(0), |inner| inner.poll_discard(cx))
    }

    /// Ready once the transport has sent all written data, or cannot send it. The relay calls this before it aborts a
    /// stream, since an abort discards unsent data. Nothing is written to the stream afterwards.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner().map_or(Poll::Ready(()), |inner| inner.poll_sent(cx))
    }

    /// Sends small writes immediately from now on (TCP: Nagle off). The relay calls this on the upstream before its second
    /// write. The first write is never delayed, and many sessions have only one.
    fn set_nodelay(&mut self) {
        if let Some(inner) = self.inner() {
            inner.set_nodelay();
        }
    }

    /// Acknowledges received data now instead of with the next written bytes (TCP: quick ACK). Until then a peer
    /// may delay its next small write.
    fn acknowledge(&mut self) {
        if let Some(inner) = self.inner() {
            inner.acknowledge();
        }
    }

    /// Enables options that only long sessions need, such as keep-alive. The relay calls this once, when the session is
    /// a few seconds old.
    fn settle(&mut self) {
        if let Some(inner) = self.inner() {
            inner.settle();
        }
    }

    /// Makes the transport report bytes that it holds back. The relay calls this within two seconds after bytes were read, and calls
    /// `poll_read` afterwards.
    fn report_again(&mut self) {
        if let Some(inner) = self.inner() {
            inner.report_again();
        }
    }

    /// Returns the error that has ended the connection, if the transport can detect it without a read. The relay calls this while
    /// it does not read, because the stream has half-closed or the other side does not accept data.
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
        // Fails only on a socket whose connection has ended, and then there is nothing left to abort.
        let _ = self.set_zero_linger();
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        socket::poll_sent(self, cx)
    }

    fn set_nodelay(&mut self) {
        // Fails only on a socket whose connection has ended, which the write reports.
        let _ = TcpStream::set_nodelay(self, true);
    }

    fn acknowledge(&mut self) {
        sys::acknowledge(self);
    }

    fn settle(&mut self) {
        // Fails only on a socket whose connection has ended, which its next read reports.
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
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }
}

/// Takes the place of a connection that has ended before the other connection of its session.
impl Stream for Empty {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }
}

/// For tests without sockets. An abort is a close.
impl Stream for DuplexStream {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }
}

/// Address of the peer of a stream, for logs and summaries.
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
