//! Which handshakes with an upstream resume an earlier session, and which must not.

use std::sync::{Arc, Mutex};

use fault_proxy_relay::{BoxStream, Connector, TcpConnector};
use fault_proxy_tls::{ClientTls, TlsConnector, TlsNegotiation};
use rustls::HandshakeKind;
use testkit::{Certificates, TcpServer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::sessions::{half_close, session, tls_server, to};
use crate::support::{
    Upstream, VERSIONS, Version, in_time, mutual_server_config, read_all, server_config, trusting,
};

/// A server whose connections all know its tickets.
struct Server {
    upstream: Upstream,
    acceptor: TlsAcceptor,
}

impl Server {
    async fn with(config: rustls::ServerConfig) -> Self {
        Self { upstream: Upstream::bind().await, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn connector(&self, tls: &ClientTls) -> TlsConnector {
        self.upstream.connector("localhost", tls, TlsNegotiation::Direct)
    }

    /// Returns both ends of a connection whose tickets have not been read.
    async fn open(&self, connector: &TlsConnector) -> (BoxStream, TlsStream<TcpStream>) {
        let accept = async { self.acceptor.accept(self.upstream.accept().await).await };
        let (ours, theirs) =
            in_time("the handshake", async { tokio::join!(connector.connect(), accept) }).await;
        (ours.expect("to be trusted").stream, theirs.expect("to be trusted"))
    }

    /// The handshake of a connection that ends well.
    async fn connect(&self, connector: &TlsConnector) -> HandshakeKind {
        let (ours, theirs) = self.open(connector).await;
        end(ours, theirs).await
    }
}

async fn end(mut ours: BoxStream, mut theirs: TlsStream<TcpStream>) -> HandshakeKind {
    theirs.shutdown().await.expect("open");
    assert_eq!(read_all(&mut ours).await.expect("a clean end"), b"");
    theirs.get_ref().1.handshake_kind().expect("a handshake")
}

#[tokio::test]
async fn clients_that_come_at_once_all_resume() {
    const CLIENTS: usize = 20;
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let server = Server::with(server_config(&certificates, version)).await;
        let connector = server.connector(&trusting(&certificates));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut open = Vec::new();
            for _ in 0..CLIENTS {
                open.push(server.open(&connector).await);
            }
            kinds.clear();
            for (ours, theirs) in open {
                kinds.push(end(ours, theirs).await);
            }
        }
        assert_eq!(kinds, [HandshakeKind::Resumed; CLIENTS]);
    }
}

#[tokio::test]
async fn other_settings_never_resume_what_one_has_trusted() {
    let certificates = Certificates::for_names(&["localhost", "other.example"]);
    let trusting = trusting(&certificates);
    let both = certificates.ca_file().with_file_name("both.pem");
    let texts = [certificates.ca_file(), certificates.other_ca_file()].map(std::fs::read_to_string);
    std::fs::write(&both, texts.map(|text| text.expect("PEM")).concat()).expect("the directory is ours");
    let identity = (certificates.client_cert().to_owned(), certificates.client_key().to_owned());
    let others = [
        trusting.clone(),
        ClientTls { ca_file: Some(both), ..ClientTls::default() },
        ClientTls { insecure: true, ..ClientTls::default() },
        ClientTls { server_name: Some("other.example".to_owned()), ..trusting.clone() },
        ClientTls { identity: Some(identity), ..trusting.clone() },
    ];
    for version in VERSIONS {
        let server = Server::with(server_config(&certificates, version)).await;
        let connector = server.connector(&trusting);
        server.connect(&connector).await;
        assert_eq!(server.connect(&connector).await, HandshakeKind::Resumed);
        for tls in &others {
            assert_eq!(server.connect(&server.connector(tls)).await, HandshakeKind::Full, "{tls:?}");
        }
        assert_eq!(server.connect(&connector).await, HandshakeKind::Resumed);
    }
}

#[tokio::test]
async fn a_client_certificate_is_resumed_with_its_own_sessions() {
    let certificates = Certificates::generate();
    let identity = (certificates.client_cert().to_owned(), certificates.client_key().to_owned());
    let tls = ClientTls { identity: Some(identity), ..trusting(&certificates) };
    for version in VERSIONS {
        let server = Server::with(mutual_server_config(&certificates, version)).await;
        let connector = server.connector(&tls);
        server.connect(&connector).await;
        assert_eq!(server.connect(&connector).await, HandshakeKind::Resumed);
    }
}

/// A server that forgets its tickets, or has another certificate: the handshake is full, and fails if it must.
#[tokio::test]
async fn a_server_that_knows_no_ticket_is_met_with_a_full_handshake() {
    let (certificates, others) = (Certificates::generate(), Certificates::generate());
    for version in VERSIONS {
        let mut server = Server::with(server_config(&certificates, version)).await;
        let connector = server.connector(&trusting(&certificates));
        for _ in 0..2 {
            server.connect(&connector).await;
        }
        server.acceptor = TlsAcceptor::from(Arc::new(server_config(&certificates, version)));
        assert_eq!(server.connect(&connector).await, HandshakeKind::Full);
        server.acceptor = TlsAcceptor::from(Arc::new(server_config(&others, version)));
        let accept = async { server.acceptor.accept(server.upstream.accept().await).await };
        let (ours, _) = tokio::join!(connector.connect(), accept);
        ours.expect_err("another authority");
    }
}

/// Says which handshakes it had.
fn recording(certificates: &Certificates, version: Version) -> (TcpServer, Arc<Mutex<Vec<HandshakeKind>>>) {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&kinds);
    let server = tls_server(server_config(certificates, version), move |mut stream| {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        recorded.lock().expect("not poisoned").extend(stream.conn.handshake_kind());
        half_close(&mut stream);
    });
    (server, kinds)
}

#[tokio::test]
async fn a_client_that_closes_at_once_leaves_tickets_for_the_next() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let (server, kinds) = recording(&certificates, version);
        let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
        for _ in 0..5 {
            let close = async |addr| drop(TcpStream::connect(addr).await.expect("listening"));
            session(route.clone(), close).await;
        }
        let kinds = kinds.lock().expect("not poisoned");
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 4]);
    }
}

/// As the API makes a proxy with the settings of another.
#[tokio::test]
async fn another_connector_with_the_same_settings_has_its_own_sessions() {
    let certificates = Certificates::generate();
    let (server, kinds) = recording(&certificates, VERSIONS[1]);
    for _ in 0..2 {
        let tcp = TcpConnector::new("localhost", server.addr().port());
        let connector =
            TlsConnector::new(tcp, &trusting(&certificates), TlsNegotiation::Direct).expect("files");
        read_all(&mut connector.connect().await.expect("to be trusted").stream).await.expect("a clean end");
    }
    assert_eq!(*kinds.lock().expect("not poisoned"), [HandshakeKind::Full; 2]);
}
