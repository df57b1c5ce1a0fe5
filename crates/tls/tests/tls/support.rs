//! The far ends, and how the two legs come to them.

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_relay::{BoxStream, Handshake, HandshakeProgress, TcpConnector};
use fault_proxy_tls::{ClientTls, ServerTls, TlsConnector, TlsHandshake, TlsNegotiation};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use testkit::Certificates;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::{client, server};

pub(crate) type Version = &'static SupportedProtocolVersion;
pub(crate) const VERSIONS: [Version; 2] = [&TLS12, &TLS13];

/// Long enough for the busiest machine, and longer than a downstream is given; reached only when a test fails.
const FOREVER: Duration = Duration::from_secs(100);

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(FOREVER, future).await.unwrap_or_else(|_| panic!("{what}: not within {FOREVER:?}"))
}

/// An error and its sources, as one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}

pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    in_time("the end of file", stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

/// Sends `words` and half-closes while it reads to the end. A server sends its tickets before it reads, and a tiny pipe blocks
/// until they are read.
pub(crate) async fn ask(stream: impl AsyncRead + AsyncWrite, words: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = split(stream);
    let speak = async {
        to.write_all(words).await.expect("open");
        to.shutdown().await.expect("open");
    };
    tokio::join!(read_all(&mut from), speak).0.expect("no abort")
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A far end that shows the server's certificate and asks for none.
pub(crate) fn server_config(certificates: &Certificates, version: Version) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[version]).expect("ring knows it").with_no_client_auth();
    let chain = certificates_in(certificates.server_cert());
    builder.with_single_cert(chain, key_in(certificates.server_key())).expect("they belong together")
}

/// A far end that also demands a certificate of its clients.
pub(crate) fn mutual_server_config(certificates: &Certificates, version: Version) -> ServerConfig {
    let roots = Arc::new(roots(certificates));
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build().expect("a root");
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[version]).expect("ring knows it");
    let chain = certificates_in(certificates.server_cert());
    builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key_in(certificates.server_key()))
        .expect("they belong together")
}

/// A far end that trusts the authority.
pub(crate) fn client_config(certificates: &Certificates, version: Version) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[version]).expect("ring knows it");
    builder.with_root_certificates(roots(certificates)).with_no_client_auth()
}

fn roots(certificates: &Certificates) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates_in(certificates.ca_file()));
    roots
}

pub(crate) fn certificates_in(file: &std::path::Path) -> Vec<CertificateDer<'static>> {
    let found: Result<_, _> = CertificateDer::pem_file_iter(file).expect("the file exists").collect();
    found.expect("certificates as PEM")
}

pub(crate) fn key_in(file: &std::path::Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file).expect("a key as PEM")
}

/// The upstream leg that trusts the authority.
pub(crate) fn trusting(certificates: &Certificates) -> ClientTls {
    ClientTls { ca_file: Some(certificates.ca_file().to_owned()), ..ClientTls::default() }
}

/// The downstream leg with the server's certificate.
pub(crate) fn handshake(certificates: &Certificates, opening: TlsNegotiation) -> TlsHandshake {
    let tls = ServerTls::from_files(certificates.server_cert(), certificates.server_key());
    TlsHandshake::new(&tls.expect("PEM files"), opening).expect("they belong together")
}

/// A TCP socket that a connector is sent to.
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    pub(crate) fn connector(&self, host: &str, tls: &ClientTls, opening: TlsNegotiation) -> TlsConnector {
        TlsConnector::new(TcpConnector::new(host, self.port()), tls, opening).expect("usable files and names")
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        in_time("a connection", self.0.accept()).await.expect("a connection").0
    }

    pub(crate) async fn accept_tls(&self, config: ServerConfig) -> io::Result<server::TlsStream<TcpStream>> {
        accept_tls(self.accept().await, config).await
    }
}

/// Takes the handshake of an upstream leg.
pub(crate) async fn accept_tls<S>(stream: S, config: ServerConfig) -> io::Result<server::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    in_time("the connector's handshake", acceptor.accept(stream)).await
}

/// Opens TLS to a downstream leg as `localhost`.
pub(crate) async fn open_tls<S>(stream: S, config: ClientConfig) -> io::Result<client::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").expect("a name");
    in_time("the listener's handshake", connector.connect(name, stream)).await
}

/// What `leg` makes of a downstream.
pub(crate) async fn accepted(leg: &impl Handshake, stream: BoxStream) -> io::Result<BoxStream> {
    match in_time("the downstream's handshake", leg.accept(stream)).await? {
        HandshakeProgress::Complete(stream) => Ok(stream),
        HandshakeProgress::OffersProtocols(_, offer) => panic!("it waits for the upstream: {offer:?}"),
    }
}

/// Two ends of one TCP connection.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = Upstream::bind().await;
    let (ours, theirs) =
        tokio::join!(TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())), listener.accept());
    (ours.expect("listening"), theirs)
}

/// Returns the error that ends a stream.
pub(crate) async fn broken(stream: &mut BoxStream) -> io::Error {
    in_time("the error", async {
        loop {
            match stream.take_error() {
                Some(error) => return error,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}
