//! TLS connections to upstreams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_relay::{BoxStream, ConnectError, Connected, Connecting, Connector, TcpConnector};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::channel_binding::ChannelBinding;
use crate::first_bytes::FirstBytes;
use crate::refusal::{not_tls_upstream, with_advice};
use crate::stream::Encrypted;
use crate::{ClientTls, Error, TlsNegotiation, postgres};

/// Connects over TCP, then performs the TLS handshake.
#[derive(Debug, Clone)]
pub struct TlsConnector {
    tcp: TcpConnector,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    negotiation: TlsNegotiation,
    timeout: Duration,
    clients_are_clear: bool,
}

impl TlsConnector {
    /// Returns a connector to the host of `tcp`. Its certificate must be valid for that name, or for
    /// [`ClientTls::server_name`].
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, the system does not have root certificates, or the server name is
    /// invalid.
    pub fn new(tcp: TcpConnector, tls: &ClientTls, negotiation: TlsNegotiation) -> Result<Self, Error> {
        let name = tls.server_name.as_deref().unwrap_or(tcp.host());
        // A trailing dot is the resolver's notation; certificates do not have it (RFC 6066, section 3).
        let name = name.strip_suffix('.').unwrap_or(name).to_owned();
        let name = ServerName::try_from(name.clone()).map_err(|_| Error::ServerName(name))?;
        let config = tls.config(negotiation)?;
        Ok(Self { timeout: tcp.timeout(), tcp, config, name, negotiation, clients_are_clear: false })
    }

    /// Sets up the connector for clients that do not use TLS. They refuse `SCRAM-SHA-256-PLUS`, so the connector
    /// removes it from the mechanisms that a PostgreSQL server offers. Other protocols are relayed unchanged.
    #[must_use]
    pub fn for_clear_clients(mut self) -> Self {
        self.clients_are_clear = true;
        self
    }

    /// Offers these application protocols (ALPN), the preferred one first, for downstreams that do not offer any
    /// because they do not use TLS. Only applies to [`TlsNegotiation::Direct`]: PostgreSQL has its own protocol name.
    #[must_use]
    pub fn with_protocols(mut self, protocols: Vec<Vec<u8>>) -> Self {
        if self.negotiation == TlsNegotiation::Direct {
            Arc::make_mut(&mut self.config).alpn_protocols = protocols;
        }
        self
    }

    async fn open(&self, protocols: Vec<Vec<u8>>) -> Result<Connected, ConnectError> {
        let (stream, addr) = self.tcp.connect_tcp().await?;
        let dialed = self.tcp.dialed(&stream, addr);
        let encrypted = timeout(self.timeout, self.handshake(Box::new(stream), protocols))
            .await
            .unwrap_or_else(|_| Err(Error::TimedOut(self.timeout)))
            .map_err(|source| ConnectError::Handshake {
                target: self.tcp.to_string(),
                source: source.into(),
            })?;
        let protocol = encrypted.protocol().map(<[u8]>::to_vec);
        let stream: BoxStream = match self.negotiation {
            TlsNegotiation::Direct => Box::new(encrypted),
            TlsNegotiation::Postgres | TlsNegotiation::PostgresDirect => {
                Box::new(ChannelBinding::new(encrypted, self.clients_are_clear))
            }
        };
        let mut connected = Connected::new(stream, addr.into());
        connected.protocol = protocol;
        connected.dialed = dialed;
        Ok(connected)
    }

    async fn handshake(&self, mut stream: BoxStream, protocols: Vec<Vec<u8>>) -> Result<Encrypted, Error> {
        if self.negotiation == TlsNegotiation::Postgres {
            match ssl_request(&mut stream).await.map_err(Error::SslRequest)? {
                postgres::SSL_ACCEPTED => {}
                answer => return Err(Error::PostgresWithoutTls(answer)),
            }
        }
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let handshake = connector
            .with_alpn(protocols)
            .connect(self.name.clone(), FirstBytes::new(stream))
            .into_fallible();
        let stream = handshake.await.map_err(|(source, stream)| Error::Handshake {
            name: self.name.to_str().into_owned(),
            source: not_tls_upstream(stream.bytes()).unwrap_or_else(|| with_advice(source)),
        })?;
        Ok(Encrypted::new(stream))
    }
}

/// Requests TLS. Reads exactly one byte, so that unencrypted data behind it fails the handshake.
async fn ssl_request(stream: &mut BoxStream) -> io::Result<u8> {
    stream.write_all(&postgres::SSL_REQUEST).await?;
    stream.flush().await?;
    stream.read_u8().await
}

impl Connector for TlsConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(self.open(self.config.alpn_protocols.clone()))
    }

    fn connect_offering<'a>(&'a self, protocols: &'a [Vec<u8>]) -> Connecting<'a> {
        match self.negotiation {
            TlsNegotiation::Direct => Box::pin(self.open(protocols.to_vec())),
            TlsNegotiation::Postgres | TlsNegotiation::PostgresDirect => self.connect(),
        }
    }
}

#[cfg(test)]
mod tests;
