//! Connectors: connect to the upstream of a session.

mod error;
mod race;
mod unix;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use self::error::ConnectError;
use self::race::{Attempts, race};
use crate::loops::{Dialed, ProxyPort};
use crate::resolve::Resolver;
use crate::stream::{BoxStream, Legs, Peer};
use crate::sys;

/// Default time limit for resolving and connecting together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Future that [`Connector::connect`] returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send + 'a>>;

/// Connects to the upstream of a session.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens one connection. Dropping the future cancels the attempt.
    fn connect(&self) -> Connecting<'_>;

    /// As [`connect`](Self::connect), but gives up after `limit` at the latest, with an error that names what it has
    /// tried. The default implementation ignores the limit.
    fn connect_within(&self, _limit: Duration) -> Connecting<'_> {
        self.connect()
    }

    /// Opens one connection for a downstream that offers these application protocols (ALPN), the preferred one first. A
    /// connector whose upstream chooses a protocol offers them in place of its configured protocols, and returns the
    /// choice in [`Connected::protocol`]. The default implementation ignores the offered protocols.
    fn connect_offering<'a>(&'a self, _protocols: &'a [Vec<u8>]) -> Connecting<'a> {
        self.connect()
    }
}

/// Wraps the connections of one session.
pub(crate) type Wrap = Box<dyn FnOnce(Legs) -> Legs + Send>;

/// An upstream that was reached.
#[non_exhaustive]
pub struct Connected {
    /// The connection.
    pub stream: BoxStream,
    /// The address that answered.
    pub peer: Peer,
    /// The application protocol (ALPN) that the upstream chose, if it chose one.
    pub protocol: Option<Vec<u8>>,
    /// What [`TcpConnector::dialed`] returned for the connection.
    pub dialed: Option<Box<Dialed>>,
    /// Set by the layer of the route.
    pub(crate) wrap: Option<Wrap>,
}

impl Connected {
    /// Returns a connection without an application protocol.
    pub fn new(stream: BoxStream, peer: Peer) -> Self {
        Self { stream, peer, protocol: None, dialed: None, wrap: None }
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("stream", &self.stream)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Connects to `host:port` over TCP.
///
/// The name is resolved for every connection by a [`Resolver`]. If it has several addresses, the next attempt starts
/// when the previous one has not succeeded within 250 ms, or as soon as any attempt fails. This delay is shorter if the
/// time left would not suffice for all addresses. The first connection is kept (RFC 8305).
#[derive(Clone)]
pub struct TcpConnector {
    host: String,
    port: u16,
    resolver: Resolver,
    proxy: Option<ProxyPort>,
    timeout: Duration,
    permit: Option<Arc<AddressFilter>>,
}

/// Parameter of [`TcpConnector::with_address_filter`].
type AddressFilter = dyn Fn(Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> + Send + Sync;

impl TcpConnector {
    /// Returns a connector to `host`, a name or an IP address without brackets. It shares its lookups with its clones
    /// only.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::with_resolver(Resolver::new(), host, port)
    }

    /// As [`new`](Self::new), but shares lookups with all connectors that use `resolver`.
    pub fn with_resolver(resolver: Resolver, host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, resolver, proxy: None, timeout: CONNECT_TIMEOUT, permit: None }
    }

    /// Limits the time for resolving and connecting together. Defaults to [`CONNECT_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Registers connections as dialed by `proxy`, so that a connection to a listener of the same program is
    /// recognized.
    #[must_use]
    pub fn for_proxy(mut self, proxy: ProxyPort) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Registers a connection of [`connect_tcp`](Self::connect_tcp) with the loop detector, if it may lead back to the
    /// program. Dropping the returned value unregisters it. A connector that wraps this one stores the value in
    /// [`Connected::dialed`].
    pub fn dialed(&self, stream: &TcpStream, to: SocketAddr) -> Option<Box<Dialed>> {
        self.proxy.as_ref()?.dialed(stream, to).map(Box::new)
    }

    /// Passes the resolved addresses of each connection to `permit`, and tries only the addresses that it returns. The
    /// error of `permit` becomes the reason of [`ConnectError::Refused`].
    #[must_use]
    pub fn with_address_filter(
        mut self,
        permit: impl Fn(Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> + Send + Sync + 'static,
    ) -> Self {
        self.permit = Some(Arc::new(permit));
        self
    }

    /// Returns the name or address, as passed to [`new`](Self::new).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the time limit for resolving and connecting together.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Resolves and connects.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Cancel safety
    /// Dropping the future closes all sockets that were being opened. A name lookup that has begun runs to its end.
    pub async fn connect_tcp(&self) -> Result<(TcpStream, SocketAddr), ConnectError> {
        let connected = self.connect_untuned(self.timeout).await?;
        // Fails only on a socket whose connection has ended, which its next read reports.
        let _ = connected.0.set_nodelay(true);
        Ok(connected)
    }

    async fn connect_boxed(&self, limit: Duration) -> Result<Connected, ConnectError> {
        let (stream, addr) = self.connect_untuned(limit).await?;
        let dialed = self.dialed(&stream, addr);
        Ok(Connected { dialed, ..Connected::new(Box::new(stream), addr.into()) })
    }

    /// Connects with Nagle's algorithm left on, see [`Stream::set_nodelay`](crate::Stream::set_nodelay).
    async fn connect_untuned(&self, limit: Duration) -> Result<(TcpStream, SocketAddr), ConnectError> {
        let deadline = Instant::now() + limit;
        let resolved = timeout_at(deadline, self.resolver.resolve(&self.host, self.port)).await;
        let failed = |source| ConnectError::Resolve { host: self.host.clone(), source };
        let addresses = resolved.unwrap_or_else(|_| Err(unanswered(limit))).map_err(failed)?;
        let addresses = match &self.permit {
            Some(permit) => permit(addresses).map_err(ConnectError::Refused)?,
            None => addresses,
        };
        let mut attempts = Attempts::default();
        match timeout_at(deadline, race(addresses, deadline, &mut attempts, sys::connect)).await {
            Ok(Some(connected)) => Ok(connected),
            Ok(None) => {
                Err(ConnectError::Unreachable { target: self.to_string(), attempts: attempts.into_errors() })
            }
            Err(_) => Err(ConnectError::TimedOut {
                target: self.to_string(),
                after: limit,
                attempts: attempts.into_errors(),
            }),
        }
    }
}

/// Returns the error of a lookup that takes longer than `limit`.
fn unanswered(limit: Duration) -> io::Error {
    let problem = format!(
        "no answer within {}s, the time limit to connect; check the name servers of this system",
        limit.as_secs_f64()
    );
    io::Error::new(io::ErrorKind::TimedOut, problem)
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector")
            .field("target", &self.to_string())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Connector for TcpConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(self.connect_boxed(self.timeout))
    }

    fn connect_within(&self, limit: Duration) -> Connecting<'_> {
        Box::pin(self.connect_boxed(limit.min(self.timeout)))
    }
}

/// Connects to a Unix socket. On a system without them, every attempt fails.
#[derive(Debug, Clone)]
pub struct UnixConnector {
    path: PathBuf,
}

impl UnixConnector {
    /// Returns a connector to the socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Connector for UnixConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let stream = unix::connect_unix(&self.path)
                .await
                .map_err(|source| ConnectError::Unix { path: self.path.clone(), source })?;
            let peer = Peer::Name(format!("unix:{}", self.path.display()).into());
            Ok(Connected::new(stream, peer))
        })
    }
}
