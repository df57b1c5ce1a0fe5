//! TLS handshakes with downstreams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_relay::{
    Accepting, BoxStream, CompleteHandshake, Handshake, HandshakeProgress, ProtocolOffer,
};
use rustls::ServerConfig;
use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::server::StartHandshake;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::error::refuses_protocols;
use crate::first_bytes::{FirstBytes, Protocol};
use crate::postgres;
use crate::preamble::{Preamble, answer_requests};
use crate::refusal::not_tls_client;
use crate::rewind::Rewind;
use crate::stream::Encrypted;
use crate::{Error, ServerTls, TlsNegotiation};

/// Time limit for the handshake of a client. The handshake occupies a session, so with a longer limit a few silent clients
/// could keep all others out.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The first byte of every TLS connection: the content type of a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Performs the TLS handshake of a downstream within 10 s. If it fails, closes the connection after an alert of TLS or
/// an error of PostgreSQL.
#[derive(Debug, Clone)]
pub struct TlsHandshake {
    config: Arc<ServerConfig>,
    negotiation: TlsNegotiation,
    upstream_chooses: bool,
}

impl TlsHandshake {
    /// Returns a handshake that shows the certificate of `tls`. With [`TlsNegotiation::Postgres`], clients may also
    /// start TLS directly, as libpq 17 does with `sslnegotiation=direct`.
    ///
    /// # Errors
    /// Returns an error if the certificate and the key cannot be used together.
    pub fn new(tls: &ServerTls, negotiation: TlsNegotiation) -> Result<Self, Error> {
        Ok(Self { config: tls.config(negotiation)?, negotiation, upstream_chooses: false })
    }

    /// Sets the application protocols (ALPN) that this side supports. For clients that offer protocols, it chooses the
    /// first of these that the client offers, and refuses the client if it does not offer any of them.
    #[must_use]
    pub fn with_protocols(mut self, protocols: Vec<Vec<u8>>) -> Self {
        self.config = offering(&self.config, protocols);
        self
    }

    /// Lets the upstream choose among the application protocols (ALPN) that a client offers. The handshake of such a
    /// client is completed once the upstream is connected.
    #[must_use]
    pub fn with_protocols_of_upstream(mut self) -> Self {
        self.upstream_chooses = true;
        self
    }

    async fn encrypt(&self, mut stream: BoxStream, begun: Instant) -> io::Result<HandshakeProgress> {
        if self.negotiation == TlsNegotiation::Postgres {
            match answer_requests(&mut stream, postgres::SSL_ACCEPTED).await? {
                Preamble::Tls => {}
                Preamble::Other { bytes: postgres::CANCEL_REQUEST, length: 8 } => {
                    let stream = Box::new(Rewind::new(&postgres::CANCEL_REQUEST, stream));
                    return Ok(HandshakeProgress::Complete(stream));
                }
                Preamble::Other { bytes, length } if bytes[0] == TLS_HANDSHAKE => {
                    stream = Box::new(Rewind::new(&bytes[..length], stream));
                }
                Preamble::Other { bytes, length } => {
                    let message = "this listener expects TLS: connect with sslmode=require";
                    stream.write_all(&postgres::fatal(message)).await?;
                    stream.flush().await?;
                    return Err(io::Error::other(match Protocol::detect(&bytes[..length]) {
                        Some(Protocol::Http) => {
                            "the client spoke HTTP, and this listener expects PostgreSQL with TLS"
                        }
                        _ => "the client does not request TLS, and this listener expects it",
                    }));
                }
            }
        }
        let encrypted = if self.upstream_chooses {
            let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), FirstBytes::new(stream));
            let start = (&mut acceptor).await.map_err(|error| explain(error, acceptor.take_io()))?;
            let protocols = start.client_hello().alpn().into_iter().flatten();
            let protocols: Vec<_> = protocols.map(<[u8]>::to_vec).collect();
            if !protocols.is_empty() {
                let StartHandshake { accepted, io, .. } = start;
                let offer = ProtocolOffer { protocols, complete: self.complete(accepted, begun) };
                return Ok(HandshakeProgress::OffersProtocols(io.stream, offer));
            }
            start.into_stream(Arc::clone(&self.config)).await?
        } else {
            let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
            let accepted = acceptor.accept(FirstBytes::new(stream)).into_fallible().await;
            accepted.map_err(|(error, stream)| explain(error, Some(stream)))?
        };
        Ok(HandshakeProgress::Complete(Box::new(Encrypted::new(encrypted))))
    }

    /// Completes a handshake with the upstream's choice. The time limit counts from `begun`.
    fn complete(&self, accepted: Accepted, begun: Instant) -> CompleteHandshake {
        let config = Arc::clone(&self.config);
        let left = TIMEOUT.saturating_sub(begun.elapsed());
        Box::new(move |stream, choice| {
            let config = match choice {
                Ok(Some(protocol)) => offering(&config, vec![protocol]),
                // No client offers a protocol with an empty name, so this sends the same alert that the upstream sent.
                Err(error) if refuses_protocols(error) => offering(&config, vec![Vec::new()]),
                Ok(None) | Err(_) => config,
            };
            let start = StartHandshake::from_parts(accepted, FirstBytes::new(stream));
            Box::pin(async move {
                let encrypted = timeout(left, start.into_stream(config)).await;
                let encrypted = encrypted.unwrap_or_else(|_| Err(too_late("TLS handshake")))?;
                Ok(Box::new(Encrypted::new(encrypted)) as BoxStream)
            })
        })
    }
}

/// Names the protocol of a client that does not speak TLS.
fn explain(error: io::Error, stream: Option<FirstBytes>) -> io::Error {
    stream.and_then(|stream| not_tls_client(stream.bytes())).unwrap_or(error)
}

/// Returns the same configuration, which shares TLS sessions and tickets with `config`, with other application
/// protocols.
fn offering(config: &Arc<ServerConfig>, protocols: Vec<Vec<u8>>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(config);
    config.alpn_protocols = protocols;
    Arc::new(config)
}

impl Handshake for TlsHandshake {
    fn accept(&self, stream: BoxStream) -> Accepting<'_> {
        Box::pin(async {
            let begun = Instant::now();
            let progress = timeout_at(begun + TIMEOUT, self.encrypt(stream, begun)).await;
            progress.unwrap_or_else(|_| Err(too_late("TLS handshake")))
        })
    }
}

/// Returns the error for a downstream that did not complete `what` in time.
pub(crate) fn too_late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no {what} within {}s", TIMEOUT.as_secs()))
}
