//! Layers: code that takes part in each session of a route.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::connect::{ConnectError, Connecting, Connector};
use crate::stream::Legs;

/// Takes part in each session of a [`Route`](crate::Route): can refuse it, delay its dial and wrap its streams.
///
/// ```
/// use std::time::Duration;
/// use fault_proxy_relay::{ConnectError, Layer, Legs, Route, TcpConnector};
///
/// /// Dials a second later, and reports how long the dial took.
/// #[derive(Debug)]
/// struct Slow;
///
/// impl Layer for Slow {
///     type Session = ();
///
///     async fn before_dial(&self) -> Result<(), ConnectError> {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         Ok(())
///     }
///
///     fn wrap((): (), connect_time: Duration, legs: Legs) -> Legs {
///         eprintln!("connected within {connect_time:?}");
///         legs
///     }
/// }
///
/// let route = Route::to(TcpConnector::new("localhost", 5432)).through(Slow);
/// ```
pub trait Layer: fmt::Debug + Send + Sync + 'static {
    /// State of one session between [`before_dial`](Self::before_dial) and [`wrap`](Self::wrap).
    type Session: Send + 'static;

    /// Begins a session, after the client's handshake. The relay dials the upstream when it returns.
    ///
    /// # Errors
    /// An error ends the session as an error of the connector does. After [`ConnectError::Refused`] the client is reset.
    ///
    /// # Cancel safety
    /// The relay drops the future if the client resets its connection or the relay shuts down.
    fn before_dial(&self) -> impl Future<Output = Result<Self::Session, ConnectError>> + Send;

    /// Wraps both connections before the first byte is relayed. The connector took `connect_time` to reach the upstream.
    ///
    /// Not called if the upstream cannot be reached.
    fn wrap(session: Self::Session, connect_time: Duration, legs: Legs) -> Legs;
}

/// The object-safe form of [`Layer`]. Every layer implements it.
pub trait DynLayer: fmt::Debug + Send + Sync {
    /// Begins a session and connects through `connector`, which offers `protocols` if they are set. The result contains
    /// the wrapper for the session's connections.
    fn connect<'a>(
        &'a self,
        connector: &'a dyn Connector,
        protocols: Option<&'a [Vec<u8>]>,
    ) -> Connecting<'a>;
}

impl<L: Layer> DynLayer for L {
    fn connect<'a>(
        &'a self,
        connector: &'a dyn Connector,
        protocols: Option<&'a [Vec<u8>]>,
    ) -> Connecting<'a> {
        Box::pin(async move {
            let session = self.before_dial().await?;
            let dialed = Instant::now();
            let mut connected = connect(connector, protocols).await?;
            let connect_time = dialed.elapsed();
            connected.wrap = Some(Box::new(move |legs| L::wrap(session, connect_time, legs)));
            Ok(connected)
        })
    }
}

pub(crate) fn connect<'a>(connector: &'a dyn Connector, protocols: Option<&'a [Vec<u8>]>) -> Connecting<'a> {
    match protocols {
        None => connector.connect(),
        Some(protocols) => connector.connect_offering(protocols),
    }
}
