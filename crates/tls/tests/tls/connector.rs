//! Upstream TLS: trusted certificates, the expected server name and the client certificate.

use std::error::Error as _;
use std::sync::Arc;

use fault_proxy_relay::{ConnectError, Connected, Connector};
use fault_proxy_tls::{ClientTls, Error, TlsNegotiation};
use rustls::server::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use testkit::Certificates;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server;

use crate::support::{
    Upstream, VERSIONS, Version, certificates_in, chain, in_time, key_in, mutual_server_config, provider,
    read_all, server_config, trusting,
};

type Theirs = server::TlsStream<TcpStream>;

/// What becomes of a connection to 127.0.0.1 by the name `host`, at either end.
async fn meet(
    host: &str,
    tls: &ClientTls,
    config: ServerConfig,
) -> (Result<Connected, ConnectError>, std::io::Result<Theirs>) {
    let upstream = Upstream::bind().await;
    let connector = upstream.connector(host, tls, TlsNegotiation::Direct);
    tokio::join!(in_time("the connector", connector.connect()), upstream.accept_tls(config))
}

async fn refused(host: &str, tls: &ClientTls, config: ServerConfig) -> String {
    let (ours, theirs) = meet(host, tls, config).await;
    theirs.expect_err("the connector hangs up");
    chain(&ours.expect_err("not to be trusted"))
}

async fn accepted(host: &str, tls: &ClientTls, config: ServerConfig) -> Theirs {
    let (ours, theirs) = meet(host, tls, config).await;
    let (mut ours, mut theirs) = (ours.expect("to be trusted").stream, theirs.expect("to be trusted"));
    let mut word = [0; 4];
    ours.write_all(b"ping").await.expect("open");
    ours.flush().await.expect("open");
    in_time("the ping", theirs.read_exact(&mut word)).await.expect("open");
    theirs.write_all(b"pong").await.expect("open");
    theirs.flush().await.expect("open");
    in_time("the pong", ours.read_exact(&mut word)).await.expect("open");
    assert_eq!(&word, b"pong");
    theirs
}

fn valid_for(name: &str, version: Version) -> (Certificates, ServerConfig) {
    let certificates = Certificates::for_names(&[name]);
    let config = server_config(&certificates, version);
    (certificates, config)
}

#[tokio::test]
async fn a_server_of_the_extra_authority_is_trusted() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let theirs =
            accepted("localhost", &trusting(&certificates), server_config(&certificates, version)).await;
        assert_eq!(theirs.get_ref().1.server_name(), Some("localhost"));
        assert_eq!(theirs.get_ref().1.protocol_version(), Some(version.version));
    }
}

#[tokio::test]
async fn the_address_that_answered_is_told() {
    let certificates = Certificates::generate();
    let upstream = Upstream::bind().await;
    let connector = upstream.connector("localhost", &trusting(&certificates), TlsNegotiation::Direct);
    let config = server_config(&certificates, VERSIONS[1]);
    let (ours, _theirs) = tokio::join!(connector.connect(), upstream.accept_tls(config));
    assert_eq!(ours.unwrap().peer.to_string(), format!("127.0.0.1:{}", upstream.port()));
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_by_name_and_reason() {
    let certificates = Certificates::generate();
    let tls = ClientTls { ca_file: Some(certificates.other_ca_file().to_owned()), ..ClientTls::default() };
    for version in VERSIONS {
        let upstream = Upstream::bind().await;
        let connector = upstream.connector("localhost", &tls, TlsNegotiation::Direct);
        let (ours, theirs) =
            tokio::join!(connector.connect(), upstream.accept_tls(server_config(&certificates, version)));
        theirs.expect_err("the connector hangs up");
        let error = ours.expect_err("not to be trusted");
        let told = chain(&error);
        assert!(told.starts_with(&format!("handshake with localhost:{} failed", upstream.port())), "{told}");
        assert!(told.contains("TLS as `localhost`") && told.contains("UnknownIssuer"), "{told}");
        let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
        assert!(matches!(cause, Some(Error::Handshake { name, .. }) if name == "localhost"), "{cause:?}");
    }
}

#[tokio::test]
async fn a_wrong_name_is_refused_and_named() {
    for version in VERSIONS {
        let (certificates, config) = valid_for("db.example", version);
        let told = refused("localhost", &trusting(&certificates), config).await;
        assert!(told.contains("TLS as `localhost`") && told.contains("not valid for name"), "{told}");
    }
}

#[tokio::test]
async fn the_server_name_given_is_asked_for_and_verified_instead_of_the_host() {
    let (certificates, config) = valid_for("db.example", VERSIONS[1]);
    let tls = ClientTls { server_name: Some("db.example".into()), ..trusting(&certificates) };
    let theirs = accepted("localhost", &tls, config).await;
    assert_eq!(theirs.get_ref().1.server_name(), Some("db.example"));

    let (certificates, config) = valid_for("localhost", VERSIONS[1]);
    let tls = ClientTls { server_name: Some("db.example".into()), ..trusting(&certificates) };
    let told = refused("localhost", &tls, config).await;
    assert!(told.contains("TLS as `db.example`"), "{told}");
}

#[tokio::test]
async fn an_address_is_verified_as_an_address() {
    let (certificates, config) = valid_for("127.0.0.1", VERSIONS[1]);
    let theirs = accepted("127.0.0.1", &trusting(&certificates), config).await;
    assert_eq!(theirs.get_ref().1.server_name(), None, "an address is no SNI (RFC 6066, section 3)");

    let (certificates, config) = valid_for("localhost", VERSIONS[1]);
    let told = refused("127.0.0.1", &trusting(&certificates), config).await;
    assert!(told.contains("TLS as `127.0.0.1`"), "{told}");
}

#[tokio::test]
async fn the_client_certificate_is_shown() {
    let certificates = Certificates::generate();
    let identity = Some((certificates.client_cert().to_owned(), certificates.client_key().to_owned()));
    let tls = ClientTls { identity, ..trusting(&certificates) };
    for version in VERSIONS {
        let theirs = accepted("localhost", &tls, mutual_server_config(&certificates, version)).await;
        let shown = theirs.get_ref().1.peer_certificates().expect("demanded");
        assert_eq!(shown, certificates_in(certificates.client_cert()));
    }
}

#[tokio::test]
async fn a_missing_client_certificate_is_a_failed_handshake_in_tls_1_2() {
    let certificates = Certificates::generate();
    let config = mutual_server_config(&certificates, VERSIONS[0]);
    let told = refused("localhost", &trusting(&certificates), config).await;
    assert!(told.contains("alert"), "{told}");
}

#[tokio::test]
async fn a_missing_client_certificate_fails_the_first_read_in_tls_1_3() {
    let certificates = Certificates::generate();
    let config = mutual_server_config(&certificates, VERSIONS[1]);
    let (ours, theirs) = meet("localhost", &trusting(&certificates), config).await;
    theirs.expect_err("demanded");
    let mut ours = ours.expect("for a client the handshake is over before the server judges").stream;
    let error = in_time("the alert", ours.read(&mut [0; 1])).await.expect_err("no end of file");
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn insecure_accepts_any_authority_and_any_name() {
    let (_certificates, config) = valid_for("db.example", VERSIONS[1]);
    accepted("localhost", &ClientTls { insecure: true, ..ClientTls::default() }, config).await;
    let (_certificates, config) = valid_for("db.example", VERSIONS[0]);
    accepted("localhost", &ClientTls { insecure: true, ..ClientTls::default() }, config).await;
}

/// Insecure checks nothing: certificates whose signatures rustls does not know would still be refused otherwise.
#[tokio::test]
async fn a_certificate_whose_key_the_server_does_not_have_is_taken_by_insecure_alone() {
    let (owner, thief) = (Certificates::generate(), Certificates::generate());
    let key = provider().key_provider.load_private_key(key_in(thief.server_key())).expect("a key");
    let stolen = Arc::new(CertifiedKey::new(certificates_in(owner.server_cert()), key));
    for version in VERSIONS {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&[version]).expect("ring knows it");
        let resolver = Arc::new(SingleCertAndKey::from(Arc::clone(&stolen)));
        let config = builder.with_no_client_auth().with_cert_resolver(resolver);
        let told = refused("localhost", &trusting(&owner), config.clone()).await;
        assert!(told.contains("BadSignature"), "{told}");

        let upstream = Upstream::bind().await;
        let insecure = ClientTls { insecure: true, ..ClientTls::default() };
        let connector = upstream.connector("localhost", &insecure, TlsNegotiation::Direct);
        let (ours, theirs) = tokio::join!(connector.connect(), upstream.accept_tls(config));
        ours.expect("no check");
        theirs.expect("no check");
    }
}

#[tokio::test]
async fn one_connector_connects_again_and_again() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let upstream = Upstream::bind().await;
        let connector = upstream.connector("localhost", &trusting(&certificates), TlsNegotiation::Direct);
        // One configuration, so that the server knows its tickets again.
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(&certificates, version)));
        for round in 0..3 {
            let serve = async {
                let mut theirs = acceptor.accept(upstream.accept().await).await.expect("to be trusted");
                theirs.write_u8(round).await.expect("open");
                theirs.shutdown().await.expect("open");
            };
            let (ours, ()) =
                in_time("the handshake", async { tokio::join!(connector.connect(), serve) }).await;
            let mut ours = ours.expect("to be trusted").stream;
            assert_eq!(read_all(&mut ours).await.expect("a clean end"), [round]);
        }
    }
}
