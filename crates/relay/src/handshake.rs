//! Handshakes with downstreams.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use crate::connect::ConnectError;
use crate::stream::BoxStream;

/// Future that [`Handshake::accept`] returns.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<HandshakeProgress>> + Send + 'a>>;

/// Handshake with an accepted downstream before its upstream is dialed: TLS, or the opening of a protocol.
pub trait Handshake: fmt::Debug + Send + Sync + 'static {
    /// Performs the handshake on the accepted stream and returns the stream that is relayed. It must limit its own
    /// time. If it fails, it sends the error message of the protocol, such as a TLS alert, and closes the stream.
    fn accept(&self, stream: BoxStream) -> Accepting<'_>;
}

/// Progress of a downstream's handshake before its upstream is dialed.
#[derive(Debug)]
pub enum HandshakeProgress {
    /// The handshake is complete: this stream is relayed.
    Complete(BoxStream),
    /// The handshake of this stream waits for the upstream's choice.
    OffersProtocols(BoxStream, ProtocolOffer),
}

/// A downstream that offers application protocols (ALPN, RFC 7301), one of which the upstream chooses.
pub struct ProtocolOffer {
    /// Names of protocols, the preferred one first. Not empty.
    pub protocols: Vec<Vec<u8>>,
    /// Completes the handshake.
    pub complete: CompleteHandshake,
}

/// Completes the handshake of a stream with the protocol that the upstream chose
/// ([`Connected::protocol`](crate::Connected::protocol)), or with the error of connecting to the upstream. It must
/// limit its own time.
pub type CompleteHandshake =
    Box<dyn FnOnce(BoxStream, Result<Option<Vec<u8>>, &ConnectError>) -> Completing + Send>;

/// Future that [`CompleteHandshake`] returns. Its output is the stream that is relayed.
pub type Completing = Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send>>;

impl fmt::Debug for ProtocolOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolOffer").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}
