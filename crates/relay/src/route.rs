//! Routes: the upstream of a listener's sessions.

use std::sync::Arc;

use crate::connect::Connector;
use crate::handshake::Handshake;
use crate::layer::{DynLayer, Layer};

/// Upstream of a listener's sessions, and how the sessions are opened.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Handshake with the downstream before the upstream is dialed, if any.
    pub handshake: Option<Arc<dyn Handshake>>,
    /// Connector to the upstream, or `None` if the listener returns one with each downstream. A downstream with its own
    /// connector does not wait at [`Config::max_sessions`](crate::Config::max_sessions): the relay drops both immediately.
    pub connector: Option<Arc<dyn Connector>>,
    /// The [`Layer`] of each session, if any.
    pub layer: Option<Arc<dyn DynLayer>>,
    /// How the relay ends a downstream whose upstream cannot be reached. It always aborts a downstream that the
    /// connector or the layer refuses ([`ConnectError::Refused`](crate::ConnectError::Refused)), and a downstream whose
    /// upstream accepts and resets the connection.
    pub on_upstream_failure: OnUpstreamFailure,
}

/// How the relay ends a downstream whose upstream cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnUpstreamFailure {
    /// Abort (TCP: RST). An end of file would look like an empty response of the upstream.
    #[default]
    Abort,
    /// Close (TCP: FIN). After an abort, a client that connects without blocking may see its connect fail.
    Close,
}

impl Route {
    /// Returns a route to the upstream of `connector`, without a handshake.
    pub fn to(connector: impl Connector) -> Self {
        Self { connector: Some(Arc::new(connector)), ..Self::default() }
    }

    /// Returns a route to the upstream that each downstream requests
    /// ([`Accepted::connector`](crate::Accepted::connector)), without a handshake.
    pub fn from_accepted() -> Self {
        Self::default()
    }

    /// Lets `layer` take part in each session. Replaces a layer that was set before.
    #[must_use]
    pub fn through(mut self, layer: impl Layer) -> Self {
        self.layer = Some(Arc::new(layer));
        self
    }
}
