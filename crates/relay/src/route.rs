//! Where the sessions of a listener go.

use std::sync::Arc;

use crate::connect::Connector;
use crate::handshake::Handshake;
use crate::layer::{DynLayer, Layer};

/// Where the sessions of a listener go.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Handshake with the downstream before the upstream is dialed, if any.
    pub handshake: Option<Arc<dyn Handshake>>,
    /// Connector to the upstream, or `None` if the listener returns one with each downstream. A downstream with its own
    /// connector does not wait at [`Config::max_sessions`](crate::Config::max_sessions): the relay drops both immediately.
    pub connector: Option<Arc<dyn Connector>>,
    /// The [`Layer`] of each session, if any.
    pub layer: Option<Arc<dyn DynLayer>>,
    /// How a downstream ends whose upstream cannot be reached. A downstream that the connector or the layer refuses
    /// ([`ConnectError::Refused`](crate::ConnectError::Refused)), or whose upstream accepts and resets the connection, is
    /// always aborted.
    pub on_upstream_failure: OnUpstreamFailure,
}

/// How a downstream ends whose upstream cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnUpstreamFailure {
    /// By an abort (TCP: RST). An end of file would look like an empty response of the upstream.
    #[default]
    Abort,
    /// By an end of file (TCP: FIN). A client that connects without blocking may otherwise see its connect fail.
    Close,
}

impl Route {
    /// Returns a route to the upstream of `connector`, without a handshake.
    pub fn to(connector: impl Connector) -> Self {
        Self { connector: Some(Arc::new(connector)), ..Self::default() }
    }

    /// To where each downstream asks to go ([`Accepted::connector`](crate::Accepted::connector)), without a handshake.
    pub fn from_accepted() -> Self {
        Self::default()
    }

    /// Lets `layer` take part in each session. It replaces a layer set before.
    #[must_use]
    pub fn through(mut self, layer: impl Layer) -> Self {
        self.layer = Some(Arc::new(layer));
        self
    }
}
