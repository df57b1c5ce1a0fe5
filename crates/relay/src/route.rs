//! Where the sessions of a listener go.

use std::sync::Arc;

use crate::connect::Connector;
use crate::handshake::Handshake;
use crate::layer::{DynLayer, Layer};

/// Where the sessions of a listener go.
#[derive(Debug, Clone)]
pub struct Route {
    /// What downstreams go through before the upstream is dialled, if anything.
    pub handshake: Option<Arc<dyn Handshake>>,
    /// What reaches the upstream; `None`: what the listener brings with each downstream. A downstream that brings its
    /// connector does not wait at [`Config::max_sessions`](crate::Config::max_sessions): both are dropped at once.
    pub connector: Option<Arc<dyn Connector>>,
    /// The [`Layer`] that takes part in each session, if there is one.
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
    /// By an abort (TCP: RST). An end of file would look like an empty answer of the upstream.
    #[default]
    Abort,
    /// By an end of file (TCP: FIN). A client that connects without blocking may otherwise see its connect fail.
    Close,
}

impl Route {
    /// To what `connector` reaches, without a handshake.
    pub fn to(connector: impl Connector) -> Self {
        Self { connector: Some(Arc::new(connector)), ..Self::from_accepted() }
    }

    /// To where each downstream asks to go ([`Accepted::connector`](crate::Accepted::connector)), without a handshake.
    pub fn from_accepted() -> Self {
        Self {
            handshake: None,
            connector: None,
            layer: None,
            on_upstream_failure: OnUpstreamFailure::default(),
        }
    }

    /// Lets `layer` take part in each session. It replaces a layer set before.
    #[must_use]
    pub fn through(mut self, layer: impl Layer) -> Self {
        self.layer = Some(Arc::new(layer));
        self
    }
}
