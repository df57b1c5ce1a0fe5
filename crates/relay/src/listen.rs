//! Listeners: what brings sessions in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, net::SocketAddr};

use tokio::net::TcpListener;

use crate::connect::Connector;
use crate::socket;
use crate::stream::{BoxStream, Peer};

/// Accepts the downstreams of sessions.
pub trait Listener: Send + Sync + 'static {
    /// Waits for the next downstream. Must be cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<Accepted>> + Send;
}

/// A downstream that came in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub stream: BoxStream,
    /// Who dialled.
    pub peer: Peer,
    /// What reaches the upstream that this downstream asked for, where its protocol lets it ask. It goes before the
    /// connector of the [`Route`](crate::Route), and is dropped unused when the session does not come so far.
    pub connector: Option<Arc<dyn Connector>>,
}

impl Accepted {
    /// A downstream that goes where its listener's sessions go.
    pub fn new(stream: BoxStream, peer: Peer) -> Self {
        Self { stream, peer, connector: None }
    }
}

/// A bound TCP socket whose accepted sockets have Nagle's algorithm off and keep-alive on.
#[derive(Debug)]
pub struct TcpAcceptor(TcpListener);

impl TcpAcceptor {
    /// # Errors
    /// When the socket's options cannot be set.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        socket::tune(&listener)?;
        Ok(Self(listener))
    }

    /// # Errors
    /// When the system does not know the socket's own address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Listener for TcpAcceptor {
    async fn accept(&self) -> io::Result<Accepted> {
        let (stream, addr) = self.0.accept().await?;
        Ok(Accepted::new(Box::new(stream), addr.into()))
    }
}

/// What [`Handshake::accept`] returns.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send + 'a>>;

/// What an accepted downstream goes through before its upstream is dialled: TLS, or a protocol's opening.
pub trait Handshake: fmt::Debug + Send + Sync + 'static {
    /// Turns the stream as accepted into the one that is relayed. Must bound its own time. When it fails, the stream
    /// is closed, after whatever the protocol has to say about it (an alert, an error message).
    fn accept(&self, stream: BoxStream) -> Accepting<'_>;
}

/// How long to wait before accepting again after an error.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LAST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// `None`: the error was of one connection only (it was gone before it was accepted), go on at once.
    pub(crate) fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LAST);
        Some(wait)
    }

    /// True if the next error is the first in a row: one line in the log is enough for all.
    pub(crate) fn is_fresh(&self) -> bool {
        self.0 == Self::FIRST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_errors_of_one_connection_do_not_wait() {
        let mut backoff = Backoff::new();
        assert!(backoff.is_fresh());
        assert_eq!(backoff.after(&io::ErrorKind::ConnectionAborted.into()), None);
        let waits: Vec<_> = (0..12).filter_map(|_| backoff.after(&io::Error::other("EMFILE"))).collect();
        assert!(!backoff.is_fresh());
        assert_eq!(waits[..3], [5, 10, 20].map(Duration::from_millis));
        assert_eq!(waits[11], Duration::from_secs(1));
    }
}
