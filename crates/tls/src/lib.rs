#![doc = include_str!("../README.md")]
//!
//! - [`TlsConnector`] connects to an upstream with TLS; [`ClientTls`] has its trusted certificates and its client certificate.
//! - [`ReloadingTls`] is the same for a library that makes its own connections.
//! - [`TlsHandshake`] expects TLS from the downstream; [`ServerTls`] is the certificate it shows.
//! - [`PostgresClear`] is the downstream of a `psqls` mapping: it answers a client's wish for encryption with `N`.
//! - `channel_binding` keeps a PostgreSQL server from offering clients in clear what they refuse there.
//! - `postgres` and `preamble` are what both legs know of that protocol's opening.
//!
//! A peer that closes without TLS's close_notify has half-closed: its TCP connection ended with a FIN, and many servers close
//! like this. It is logged at debug level.
//!
//! The crypto provider is ring: it only requires a C compiler on every platform, and async-nats uses it.

mod acceptor;
mod channel_binding;
mod clear;
mod client;
mod connector;
mod error;
mod first_bytes;
mod insecure;
mod pem;
mod postgres;
mod preamble;
mod refusal;
mod reloading;
mod rewind;
mod server;
mod sessions;
mod stream;
mod verifier;

pub use acceptor::TlsHandshake;
pub use clear::PostgresClear;
pub use client::ClientTls;
pub use connector::TlsConnector;
pub use error::Error;
pub use reloading::ReloadingTls;
pub use server::ServerTls;

/// How TLS begins on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsNegotiation {
    /// With the first byte.
    #[default]
    Direct,
    /// After PostgreSQL's SSLRequest (Frontend/Backend Protocol, "SSL Session Encryption").
    Postgres,
    /// With the first byte and ALPN `postgresql`, as PostgreSQL 17 and later can.
    PostgresDirect,
}

impl TlsNegotiation {
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Direct => Vec::new(),
            Self::Postgres | Self::PostgresDirect => vec![b"postgresql".to_vec()],
        }
    }
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}
