//! Handshakes with downstreams.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use crate::connect::ConnectError;
use crate::stream::BoxStream;

/// What [`Handshake::accept`] returns.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<HandshakeProgress>> + Send + 'a>>;

/// What an accepted downstream goes through before its upstream is dialed: TLS, or a protocol's opening.
pub trait Handshake: fmt::Debug + Send + Sync + 'static {
    /// Turns the stream as accepted into the one that is relayed. Must bound its own time. If it fails, the stream
    /// is closed after the error message of the protocol, such as an alert.
    fn accept(&self, stream: BoxStream) -> Accepting<'_>;
}

/// How far the handshake of a downstream has come before its upstream is dialed.
#[derive(Debug)]
pub enum HandshakeProgress {
    /// The handshake is complete: this stream is relayed.
    Complete(BoxStream),
    /// The handshake of this stream waits for the upstream's choice.
    OffersProtocols(BoxStream, ProtocolOffer),
}

/// A downstream that offers application protocols (ALPN, RFC 7301), of which the upstream chooses.
pub struct ProtocolOffer {
    /// Names of protocols, the preferred one first. Not empty.
    pub protocols: Vec<Vec<u8>>,
    /// Completes the handshake.
    pub complete: CompleteHandshake,
}

/// Completes the handshake of a stream with what the upstream chose ([`Connected::protocol`](crate::Connected::protocol)), or with the
/// error that reaching it ended in. Must bound its own time.
pub type CompleteHandshake =
    Box<dyn FnOnce(BoxStream, Result<Option<Vec<u8>>, &ConnectError>) -> Completing + Send>;

/// What [`CompleteHandshake`] returns: the stream that is relayed.
pub type Completing = Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send>>;

impl fmt::Debug for ProtocolOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolOffer").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}
