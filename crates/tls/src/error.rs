//! Errors of TLS configurations and handshakes.

use std::path::{Path, PathBuf};

use fault_proxy_relay::ConnectError;
use rustls::AlertDescription;
use rustls::pki_types::pem;
use thiserror::Error;

/// Reason why a TLS configuration cannot be used or a handshake failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A PEM file cannot be read.
    #[error("cannot read {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// A file does not contain a certificate or key in PEM.
    #[error("{} does not contain a {expected} that can be used: {found}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
        /// The content of the file, and the way out.
        found: String,
    },
    /// A PEM file has a private key that needs a password.
    #[error(
        "{} contains an encrypted private key, which cannot be used; decrypt it with openssl pkey -in {} -out KEY",
        .0.display(), .0.display()
    )]
    EncryptedKey(PathBuf),
    /// The system has no trusted root certificates, and no CA file was given.
    #[error("no trusted root certificates found: install the package ca-certificates or name a CA file")]
    NoRoots,
    /// rustls refuses the certificate or the key.
    #[error("certificate or key cannot be used")]
    Config(#[from] rustls::Error),
    /// Certificate and private key are of different pairs.
    #[error(
        "the private key does not belong to the certificate; use the key that the certificate was issued for"
    )]
    KeyMismatch,
    /// The certificate to send is of a kind that cannot be used.
    #[error("certificate cannot be used: {0}")]
    Flawed(String),
    /// A certificate could not be generated.
    #[error("cannot generate a certificate")]
    Generate(#[from] rcgen::Error),
    /// The name to verify the certificate for is not a valid name.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    ServerName(String),
    /// The handshake with the upstream failed. The source is the cause.
    #[error("TLS as `{name}`")]
    Handshake {
        /// The name the upstream's certificate is checked against.
        name: String,
        /// The cause: an untrusted certificate, a wrong name or an alert.
        source: std::io::Error,
    },
    /// The server answered the SSLRequest with something other than `S`.
    #[error("{}", without_tls(*.0))]
    PostgresWithoutTls(u8),
    /// The connection ended before the answer to PostgreSQL's SSLRequest.
    #[error("the connection ended during SSLRequest")]
    SslRequest(#[source] std::io::Error),
    /// The handshake took too long.
    #[error("no TLS within {}s", .0.as_secs_f64())]
    TimedOut(std::time::Duration),
}

impl Error {
    /// Returns the file that cannot be read or used, if the error is about a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Pem { path, .. } | Self::Unusable { path, .. } | Self::EncryptedKey(path) => Some(path),
            _ => None,
        }
    }
}

fn without_tls(answer: u8) -> String {
    let problem = match answer {
        // A refusal, or the error of a server that is too old to know SSLRequest.
        b'N' | b'E' => "the PostgreSQL server does not offer TLS",
        _ => "the upstream does not speak PostgreSQL",
    };
    format!("{problem} (it answered `{}` to SSLRequest)", answer.escape_ascii())
}

/// Returns true if the upstream supports none of the offered application protocols (ALPN).
pub(crate) fn refuses_protocols(error: &ConnectError) -> bool {
    let ConnectError::Handshake { source, .. } = error else { return false };
    let Some(Error::Handshake { source, .. }) = source.downcast_ref() else { return false };
    matches!(
        source.get_ref().and_then(|error| error.downcast_ref()),
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol))
    )
}
