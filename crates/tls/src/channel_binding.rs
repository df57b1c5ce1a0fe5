//! The messages of a PostgreSQL server until authentication ends.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fault_proxy_relay::Stream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tracing::{debug, warn};

use crate::postgres::sasl::{
    INITIAL_RESPONSE, Mechanisms, Next, chooses_plus, is_wrong_password, mechanisms, next,
};

/// Bytes per read during authentication. The messages are shorter in practice.
const STEP: usize = 256;

/// Removes `SCRAM-SHA-256-PLUS` from the mechanisms that the server offers to clients without TLS, because such clients
/// refuse it. Logs why channel binding fails for clients with TLS. After authentication, it forwards all bytes at the
/// cost of one comparison per call.
#[derive(Debug)]
pub(crate) struct ChannelBinding<S> {
    stream: S,
    /// `None` once the authentication is over.
    watch: Option<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    client_is_clear: bool,
    /// Bytes of the server that are not forwarded yet, and how many of them have been.
    ahead: Vec<u8>,
    passed: usize,
    /// True if `ahead` may be forwarded.
    is_released: bool,
    /// Number of bytes of the current message that are forwarded without being inspected.
    skip: usize,
    /// First bytes of the client after the server has offered channel binding.
    response: Option<Vec<u8>>,
    /// The rest of the stream is not inspected.
    is_done: bool,
    /// Error that ended the connection. It is reported after `ahead`.
    failed: Option<io::Error>,
}

impl<S> ChannelBinding<S> {
    pub(crate) fn new(stream: S, client_is_clear: bool) -> Self {
        let watch = Watch { client_is_clear, ..Watch::default() };
        Self { stream, watch: Some(watch) }
    }
}

impl Watch {
    /// Forwards the bytes that may be forwarded. Returns false without such bytes.
    fn read_released(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if !self.is_released || self.ahead.is_empty() {
            return false;
        }
        let length = buf.remaining().min(self.ahead.len() - self.passed);
        buf.put_slice(&self.ahead[self.passed..self.passed + length]);
        self.passed += length;
        if self.passed == self.ahead.len() {
            self.ahead.clear();
            (self.passed, self.is_released) = (0, false);
        }
        true
    }

    /// Inspects the bytes ahead. Returns how many bytes are missing to decide.
    fn inspect(&mut self) -> usize {
        match next(&self.ahead) {
            Next::Incomplete(length) => return length - self.ahead.len(),
            Next::Other(skip) => self.skip = skip,
            Next::Mechanisms => self.on_mechanisms(),
            Next::Error => {
                if self.response.as_deref().is_some_and(chooses_plus) && !is_wrong_password(&self.ahead) {
                    warn!(
                        "channel binding failed: TLS ends at the proxy on both legs, so the server sees another channel than the client; set channel_binding=disable in the client"
                    );
                }
                self.is_done = true;
            }
            Next::Over => self.is_done = true,
        }
        self.is_released = true;
        0
    }

    fn on_mechanisms(&mut self) {
        match mechanisms(&self.ahead) {
            Mechanisms::Unbound => self.is_done = true,
            _ if !self.client_is_clear => self.response = Some(Vec::with_capacity(INITIAL_RESPONSE)),
            Mechanisms::OnlyPlus => {
                warn!(
                    "the server only offers SCRAM-SHA-256-PLUS, which clients cannot use without TLS; let it offer SCRAM-SHA-256 too"
                );
                self.is_done = true;
            }
            Mechanisms::PlusAnd(message) => {
                debug!("removed SCRAM-SHA-256-PLUS from what the server offers to a client without TLS");
                self.ahead = message;
                self.is_done = true;
            }
        }
    }
}

impl<S: Stream> Stream for ChannelBinding<S> {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut self.stream)
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        if self.watch.is_none() { self.stream.as_tcp() } else { None }
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        if self.watch.is_none() { self.stream.as_buffered() } else { None }
    }
}

impl<S: Stream> AsyncRead for ChannelBinding<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, watch: state } = &mut *self;
        while let Some(watch) = state {
            if watch.read_released(buf) {
                return Poll::Ready(Ok(()));
            }
            if watch.is_done {
                match watch.failed.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => *state = None,
                }
                continue;
            }
            let mut room = [MaybeUninit::uninit(); STEP];
            if watch.skip > 0 {
                let mut part = ReadBuf::uninit(&mut room[..watch.skip.min(buf.remaining()).min(STEP)]);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut part))?;
                buf.put_slice(part.filled());
                watch.skip -= part.filled().len();
                return Poll::Ready(Ok(()));
            }
            let missing = watch.inspect();
            if missing > 0 {
                let mut part = ReadBuf::uninit(&mut room[..missing.min(STEP)]);
                let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut part));
                watch.ahead.extend_from_slice(part.filled());
                // Forward a part of a message before the end of the connection.
                if read.is_err() || part.filled().is_empty() {
                    (watch.failed, watch.is_released, watch.is_done) = (read.err(), true, true);
                }
            }
        }
        Pin::new(stream).poll_read(cx, buf)
    }
}

impl<S: Stream> AsyncWrite for ChannelBinding<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, watch } = &mut *self;
        let written = ready!(Pin::new(stream).poll_write(cx, buf))?;
        if let Some(Watch { response: Some(response), .. }) = watch {
            let missing = INITIAL_RESPONSE - response.len();
            response.extend_from_slice(&buf[..written.min(missing)]);
        }
        Poll::Ready(Ok(written))
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
