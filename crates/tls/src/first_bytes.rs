//! A stream that keeps a copy of its first bytes, and the protocol that they belong to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fault_proxy_relay::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Number of bytes that is enough for a method, a version or a greeting.
const MAX_LENGTH: usize = 16;
/// Minimum number of bytes to recognize HTTP.
const MIN_LENGTH: usize = 4;

/// A stream with a copy of its first bytes, for the error message if they are not TLS.
#[derive(Debug)]
pub(crate) struct FirstBytes {
    pub(crate) stream: BoxStream,
    bytes: [u8; MAX_LENGTH],
    length: usize,
    /// True if bytes or the end of file have arrived since the reader last set it to false.
    pub(crate) has_received: bool,
}

/// Protocol that a peer speaks instead of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Postgres,
    Other,
}

impl FirstBytes {
    pub(crate) fn new(stream: BoxStream) -> Self {
        Self { stream, bytes: [0; MAX_LENGTH], length: 0, has_received: false }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Protocol {
    /// Returns the protocol of a client's or a server's first bytes, or `None` if they can be TLS.
    pub(crate) fn detect(bytes: &[u8]) -> Option<Self> {
        const METHODS: [&str; 10] = [
            "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI * ",
        ];
        // Some servers answer a request that they cannot read with HTTP/0.9, which has only the page.
        const ANSWERS: [&str; 3] = ["HTTP/", "<!DOCTYPE", "<HTML"];
        let begins_with = |text: &&str| {
            let length = text.len().min(bytes.len());
            bytes[..length].eq_ignore_ascii_case(&text.as_bytes()[..length])
        };
        match bytes {
            // The content types of records (RFC 8446, section 5.1).
            [] | [0x14..=0x18, ..] => None,
            // The length of a startup message or request, and the first byte of its version or code.
            [0, 0, _, _, 0 | 4, ..] => Some(Self::Postgres),
            _ if bytes.len() >= MIN_LENGTH && METHODS.iter().chain(&ANSWERS).any(begins_with) => {
                Some(Self::Http)
            }
            _ => Some(Self::Other),
        }
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.has_received = true;
        if self.length < MAX_LENGTH {
            let read = &buf.filled()[start..];
            let (begin, end) = (self.length, MAX_LENGTH.min(self.length + read.len()));
            self.bytes[begin..end].copy_from_slice(&read[..end - begin]);
            self.length = end;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_bytes_are_enough_to_tell_protocols_apart() {
        for (bytes, expected) in [
            (&b"GET /"[..], Some(Protocol::Http)),
            (b"OPTIO", Some(Protocol::Http)),
            (b"PRI * HTTP/2.0\r\n", Some(Protocol::Http)),
            (b"HTTP/1.1 400 Bad", Some(Protocol::Http)),
            (b"<!doc", Some(Protocol::Http)),
            (&[0, 0, 0, 8, 4], Some(Protocol::Postgres)),
            (&[0, 0, 0, 84, 0, 3, 0, 0], Some(Protocol::Postgres)),
            (b"SSH-2.0-OpenSSH", Some(Protocol::Other)),
            (b"220 m", Some(Protocol::Other)),
            (&[0x16, 3, 1, 2, 0], None),
            (&[0x15, 3, 3, 0, 2], None),
            (b"", None),
        ] {
            assert_eq!(Protocol::detect(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
