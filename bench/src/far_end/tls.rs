//! The far end with TLS.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::super::load::CHUNK;
use super::{ECHO, HANDSHAKES, SINK, SOURCE, echo, send};

/// Version of TLS that all programs of a measurement use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        })
    }
}

/// The far end with TLS, and the number of handshakes that it has completed.
pub(super) struct Server {
    acceptor: TlsAcceptor,
    full: AtomicU64,
    resumed: AtomicU64,
}

impl Server {
    pub(super) fn new(version: Version, cert: &Path, key: &Path) -> Result<Self> {
        let acceptor = acceptor(version, cert, key)?;
        Ok(Self { acceptor, full: AtomicU64::new(0), resumed: AtomicU64::new(0) })
    }

    /// Serves a connection as without TLS, after the handshake.
    pub(super) async fn serve(&self, stream: TcpStream, data: &[u8]) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = self.acceptor.accept(stream).await?;
        let handshakes = match stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => &self.resumed,
            _ => &self.full,
        };
        handshakes.fetch_add(1, Ordering::Relaxed);
        let mode = stream.read_u8().await?;
        stream.write_u8(mode).await?;
        stream.flush().await?;
        if mode == HANDSHAKES {
            handshakes.fetch_sub(1, Ordering::Relaxed);
            let [full, resumed] = [&self.full, &self.resumed].map(|count| count.load(Ordering::Relaxed));
            stream.write_u64(full + resumed).await?;
            stream.write_u64(resumed).await?;
            stream.shutdown().await
        } else {
            serve(stream, mode, data).await
        }
    }
}

fn acceptor(version: Version, cert: &Path, key: &Path) -> Result<TlsAcceptor> {
    let version: &SupportedProtocolVersion = match version {
        Version::Tls12 => &TLS12,
        Version::Tls13 => &TLS13,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("cannot use the certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(mut stream: TlsStream<TcpStream>, mode: u8, data: &[u8]) -> io::Result<()> {
    match mode {
        ECHO => echo(&mut stream).await,
        SINK => {
            let mut buffer = vec![0; CHUNK];
            let mut count = 0;
            loop {
                match stream.read(&mut buffer).await? {
                    0 => break,
                    read => count += read as u64,
                }
            }
            stream.write_u64(count).await?;
            stream.shutdown().await
        }
        SOURCE => {
            let count = stream.read_u64().await?;
            send(&mut stream, data, count).await
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
