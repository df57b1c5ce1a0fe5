#![doc = include_str!("../README.md")]
//!
//! - [`TlsConnector`] connects to an upstream with TLS. [`ClientTls`] has its trusted certificates and its client
//!   certificate.
//! - [`ReloadingTls`] is the same for a library that opens its connections itself.
//! - [`TlsHandshake`] expects TLS from the downstream. [`ServerTls`] is the certificate that it presents.
//! - [`PostgresClear`] is the downstream of a `psqls` mapping without TLS: it answers a client's request for encryption
//!   with `N`.
//! - `channel_binding` removes the authentication mechanism that clients without TLS refuse from the offer of a
//!   PostgreSQL server.
//! - `postgres` and `preamble` implement the start of a PostgreSQL connection for both sides.
//!
//! A peer that closes its TCP connection without a close_notify of TLS is treated as half-closed, because many servers
//! close like this. This is logged at debug level.
//!
//! The crypto provider is ring, because it only requires a C compiler on every platform and async-nats uses it too.

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
    /// TLS starts with the first byte.
    #[default]
    Direct,
    /// TLS starts after PostgreSQL's SSLRequest (Frontend/Backend Protocol, "SSL Session Encryption").
    Postgres,
    /// TLS starts with the first byte and offers the ALPN protocol `postgresql`, which PostgreSQL 17 and later support.
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
