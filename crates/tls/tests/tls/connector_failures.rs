//! Upstreams that do not finish the handshake.

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use fault_proxy_relay::{ConnectError, Connector, TcpConnector};
use fault_proxy_tls::{ClientTls, Error, TlsConnector, TlsNegotiation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Upstream, chain, in_time};

fn connector_to(upstream: &Upstream) -> TlsConnector {
    upstream.connector(
        "localhost",
        &ClientTls { insecure: true, ..ClientTls::default() },
        TlsNegotiation::Direct,
    )
}

/// The error of a connector whose server does `what` once it has the ClientHello.
async fn met_with(what: impl AsyncFnOnce(TcpStream)) -> ConnectError {
    let upstream = Upstream::bind().await;
    let connector = connector_to(&upstream);
    let server = async {
        let mut stream = upstream.accept().await;
        let mut header = [0; 5];
        stream.read_exact(&mut header).await.expect("a record's header");
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut hello).await.expect("the ClientHello");
        what(stream).await;
    };
    let (ours, ()) = tokio::join!(in_time("the connector", connector.connect()), server);
    ours.expect_err("no handshake")
}

/// The kind of the error that failed the handshake.
fn kind(error: &ConnectError) -> io::ErrorKind {
    match error.source().and_then(|cause| cause.downcast_ref::<Error>()) {
        Some(Error::Handshake { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_connectors_time() {
    const PATIENCE: Duration = Duration::from_millis(250);
    for opening in [TlsNegotiation::Direct, TlsNegotiation::Postgres, TlsNegotiation::PostgresDirect] {
        // The system accepts for it.
        let silent = Upstream::bind().await;
        let tcp = TcpConnector::new("127.0.0.1", silent.port()).with_timeout(PATIENCE);
        let tls = ClientTls { insecure: true, ..ClientTls::default() };
        let connector = TlsConnector::new(tcp, &tls, opening).unwrap();
        let begun = Instant::now();
        let error = in_time("the connector", connector.connect()).await.unwrap_err();
        assert!(begun.elapsed() >= PATIENCE);
        let told = chain(&error);
        assert_eq!(told, format!("handshake with 127.0.0.1:{} failed: no TLS within 0.25s", silent.port()));
    }
}

#[tokio::test]
async fn a_server_that_closes_instead_of_answering_ends_the_handshake() {
    let error = met_with(async |mut stream| stream.shutdown().await.expect("open")).await;
    assert_eq!(kind(&error), io::ErrorKind::UnexpectedEof, "{}", chain(&error));
}

#[tokio::test]
async fn a_server_that_closes_within_its_answer_ends_the_handshake() {
    let error = met_with(async |mut stream| {
        // The beginning of a ServerHello: 90 bytes are announced.
        stream.write_all(&[0x16, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3]).await.expect("open");
        stream.shutdown().await.expect("open");
    })
    .await;
    assert_eq!(kind(&error), io::ErrorKind::UnexpectedEof, "{}", chain(&error));
}

#[tokio::test]
async fn a_server_that_resets_ends_the_handshake() {
    let error = met_with(async |stream| stream.set_zero_linger().expect("a socket")).await;
    assert_eq!(kind(&error), io::ErrorKind::ConnectionReset, "{}", chain(&error));
}

#[tokio::test]
async fn the_protocol_that_a_server_speaks_instead_of_tls_is_named() {
    for (answer, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the upstream spoke HTTP, not TLS: use http:// for it"),
        (b"<!DOCTYPE HTML>\n<html>", "the upstream spoke HTTP, not TLS"),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "the upstream did not speak TLS (its first bytes are `SSH-2.0-OpenSSH_`): use a scheme without TLS",
        ),
    ] {
        let error = met_with(async |mut stream| {
            stream.write_all(answer).await.expect("open");
        })
        .await;
        assert_eq!(kind(&error), io::ErrorKind::InvalidData, "{}", chain(&error));
        assert!(chain(&error).contains(words), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_unreachable() {
    let upstream = Upstream::bind().await;
    let connector = connector_to(&upstream);
    drop(upstream);
    let error = in_time("the connector", connector.connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}
