//! Listeners: accept the clients of sessions.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::connect::Connector;
use crate::socket;
use crate::stream::{BoxStream, Peer};
use crate::sys;

/// Accepts the downstreams of sessions.
pub trait Listener: Send + 'static {
    /// Waits for the next downstream. Must be cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Accepted>> + Send;
}

/// An accepted downstream.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub stream: BoxStream,
    /// Address of the client.
    pub peer: Peer,
    /// Connector to the upstream that this downstream requested, if its protocol has requests. It takes precedence over the
    /// connector of the [`Route`](crate::Route), and is dropped unused if the session ends earlier.
    pub connector: Option<Arc<dyn Connector>>,
}

impl Accepted {
    /// Returns a downstream that uses the connector of the [`Route`](crate::Route).
    pub fn new(stream: BoxStream, peer: Peer) -> Self {
        Self { stream, peer, connector: None }
    }
}

/// Bound TCP sockets whose accepted sockets have Nagle's algorithm off and keep-alive on.
#[derive(Debug)]
pub struct TcpAcceptor {
    sockets: Vec<TcpListener>,
    /// Index of the socket that is polled first: the one after the socket of the last connection, so that all sockets
    /// take turns.
    next: usize,
}

impl TcpAcceptor {
    /// Accepts from one socket.
    ///
    /// # Errors
    /// Returns an error if an option of the socket cannot be set.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        Self::from_sockets(vec![listener])
    }

    /// Accepts from non-blocking sockets, on the runtime of the caller.
    ///
    /// # Errors
    /// Returns an error if the list is empty or the options of a socket cannot be set.
    pub fn from_std(listeners: Vec<std::net::TcpListener>) -> io::Result<Self> {
        Self::from_sockets(listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<_>>()?)
    }

    fn from_sockets(sockets: Vec<TcpListener>) -> io::Result<Self> {
        if sockets.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no socket to accept from"));
        }
        sockets.iter().try_for_each(socket::tune_listener)?;
        Ok(Self { sockets, next: 0 })
    }

    /// Returns the addresses that the sockets listen on.
    ///
    /// # Errors
    /// Returns an error if the system cannot report the address of a socket.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub async fn accept_tcp(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let (count, first) = (self.sockets.len(), self.next);
            for at in (first..first + count).map(|at| at % count) {
                if let Poll::Ready(accepted) = self.sockets[at].poll_accept(cx) {
                    self.next = (at + 1) % count;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Listener for TcpAcceptor {
    async fn accept(&mut self) -> io::Result<Accepted> {
        let (stream, addr) = self.accept_tcp().await?;
        sys::tune_accepted(&stream);
        Ok(Accepted::new(Box::new(stream), addr.into()))
    }
}

/// Delay before accepting again after an error. It doubles with each error.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    const MIN_RETRY_DELAY: Duration = Duration::from_millis(5);
    const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Self::MIN_RETRY_DELAY)
    }

    /// Returns the delay after this error, or `None` if the error concerns a single connection that ended before it was
    /// accepted.
    pub(crate) fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        let wait = self.0;
        self.0 = (wait * 2).min(Self::MAX_RETRY_DELAY);
        Some(wait)
    }

    /// Returns true if the next error is the first in a row. Only the first is logged.
    pub(crate) fn is_fresh(&self) -> bool {
        self.0 == Self::MIN_RETRY_DELAY
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener as StdListener, TcpStream as StdStream};

    use super::*;

    #[tokio::test]
    async fn sockets_take_turns() {
        let sockets = || {
            let socket = StdListener::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let mut acceptor = TcpAcceptor::from_std(vec![sockets(), sockets(), sockets()]).unwrap();
        let addresses = acceptor.local_addrs().unwrap();
        let clients: Vec<_> = [0, 0, 0, 2].map(|at| StdStream::connect(addresses[at]).unwrap()).into();
        let mut accepted = Vec::new();
        for _ in &clients {
            let (stream, _) = acceptor.accept_tcp().await.unwrap();
            accepted.push(stream.local_addr().unwrap());
        }
        // The last client does not wait for all of the first socket.
        let last = accepted.iter().position(|addr| *addr == addresses[2]).unwrap();
        assert!(last <= 1, "{accepted:?}");
        TcpAcceptor::from_std(Vec::new()).unwrap_err();
    }

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
