//! A stream that returns bytes which were read ahead.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use fault_proxy_relay::{BoxStream, Stream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Returns up to eight bytes, then the rest of the stream.
#[derive(Debug)]
pub(crate) struct Rewind {
    ahead: [u8; 8],
    start: usize,
    end: usize,
    stream: BoxStream,
}

impl Rewind {
    /// Returns a stream that starts with `ahead`, which has at most eight bytes.
    pub(crate) fn new(ahead: &[u8], stream: BoxStream) -> Self {
        let mut rewind = Self { ahead: [0; 8], start: 0, end: ahead.len(), stream };
        rewind.ahead[..ahead.len()].copy_from_slice(ahead);
        rewind
    }
}

impl Stream for Rewind {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut *self.stream)
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        if self.start == self.end { self.stream.as_tcp() } else { None }
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        if self.start == self.end { self.stream.as_buffered() } else { None }
    }
}

impl AsyncRead for Rewind {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = buf.remaining().min(self.end - self.start);
        buf.put_slice(&self.ahead[self.start..self.start + length]);
        self.start += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
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
