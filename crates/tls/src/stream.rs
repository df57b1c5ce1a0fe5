//! A TLS connection as a stream of the relay.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use proxy_relay::{BoxStream, Stream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tracing::debug;

use crate::first_bytes::FirstBytes;

/// Either leg's connection after its handshake.
pub(crate) struct Encrypted(TlsStream<FirstBytes>);

impl Encrypted {
    pub(crate) fn new(stream: impl Into<TlsStream<FirstBytes>>) -> Self {
        Self(stream.into())
    }

    /// The application protocol (ALPN) that the server chose.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        match &self.0 {
            TlsStream::Client(stream) => stream.get_ref().1.alpn_protocol(),
            TlsStream::Server(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    fn socket(&mut self) -> &mut BoxStream {
        match &mut self.0 {
            TlsStream::Client(stream) => stream.get_mut().0.stream(),
            TlsStream::Server(stream) => stream.get_mut().0.stream(),
        }
    }
}

impl Stream for Encrypted {
    fn abort(&mut self) {
        self.socket().abort();
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut **self.socket())
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        None
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buf)) {
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
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
