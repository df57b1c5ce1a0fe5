//! A TLS connection as a stream of the relay.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fault_proxy_relay::{BoxStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use tracing::debug;

use crate::first_bytes::FirstBytes;

/// A connection after its TLS handshake, to a client or to an upstream.
pub(crate) struct Encrypted {
    stream: TlsStream<FirstBytes>,
    /// The upstream may send tickets now and has not sent data yet.
    awaits_tickets: bool,
}

impl Encrypted {
    pub(crate) fn new(stream: impl Into<TlsStream<FirstBytes>>) -> Self {
        let stream = stream.into();
        let mut encrypted = Self { awaits_tickets: matches!(stream, TlsStream::Client(_)), stream };
        // The handshake has answered everything that it read.
        encrypted.transport().has_received = false;
        encrypted
    }

    /// Returns the application protocol (ALPN) that the server chose.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    fn transport(&mut self) -> &mut FirstBytes {
        self.stream.get_mut().0
    }

    fn socket(&mut self) -> &mut BoxStream {
        &mut self.transport().stream
    }
}

impl Stream for Encrypted {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut **self.socket())
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.awaits_tickets &= read.is_pending();
        if self.awaits_tickets && std::mem::take(&mut self.transport().has_received) {
            // An upstream that refuses an upload stops reading it. Then no data carries the acknowledgment that its
            // next ticket and its response may wait for.
            self.socket().acknowledge();
        }
        match ready!(read) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                debug!("the peer closed without close_notify");
                Poll::Ready(Ok(()))
            }
            other => Poll::Ready(other),
        }
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
