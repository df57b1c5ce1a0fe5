//! Expects TLS from the downstream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proxy_relay::{Accepting, BoxStream, Handshake};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::postgres;
use crate::preamble::{Preamble, answer_requests};
use crate::rewind::Rewind;
use crate::stream::Encrypted;
use crate::{Error, Opening, ServerTls};

/// A client that says nothing for so long is turned away.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
/// The first byte of every TLS connection: the content type of a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Takes the TLS handshake of a downstream within 60 s. One that fails is closed, after TLS's alert or PostgreSQL's error.
#[derive(Debug, Clone)]
pub struct TlsHandshake {
    config: Arc<ServerConfig>,
    opening: Opening,
}

impl TlsHandshake {
    /// With [`Opening::Postgres`] clients may also open directly, as libpq 17 does with `sslnegotiation=direct`.
    ///
    /// # Errors
    /// When certificate and key do not fit.
    pub fn new(tls: &ServerTls, opening: Opening) -> Result<Self, Error> {
        Ok(Self { config: tls.config(opening)?, opening })
    }

    async fn encrypt(&self, mut stream: BoxStream) -> io::Result<BoxStream> {
        if self.opening == Opening::Postgres {
            match answer_requests(&mut stream, postgres::WILLING).await? {
                Preamble::Promised => {}
                Preamble::Said { bytes: postgres::CANCEL_REQUEST, length: 8 } => {
                    return Ok(Box::new(Rewind::new(&postgres::CANCEL_REQUEST, stream)));
                }
                Preamble::Said { bytes, length } if bytes[0] == TLS_HANDSHAKE => {
                    stream = Box::new(Rewind::new(&bytes[..length], stream));
                }
                Preamble::Said { .. } => {
                    let message = "this listener expects TLS: connect with sslmode=require";
                    stream.write_all(&postgres::fatal(message)).await?;
                    stream.flush().await?;
                    return Err(io::Error::other("the client asks for no TLS, and this listener expects it"));
                }
            }
        }
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.config));
        Ok(Box::new(Encrypted::new(acceptor.accept(stream).await?)))
    }
}

impl Handshake for TlsHandshake {
    fn accept(&self, stream: BoxStream) -> Accepting<'_> {
        Box::pin(async {
            timeout(TIMEOUT, self.encrypt(stream)).await.unwrap_or_else(|_| Err(too_late("TLS handshake")))
        })
    }
}

/// The error of a downstream that took too long for its `what`.
pub(crate) fn too_late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no {what} within {}s", TIMEOUT.as_secs()))
}
