//! How the upstream leg opens TLS with a PostgreSQL server.

use std::io;

use fault_proxy_relay::{ConnectError, Connected, Connector};
use fault_proxy_tls::TlsNegotiation;
use testkit::Certificates;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Upstream, VERSIONS, accept_tls, chain, in_time, read_all, server_config, trusting};

/// Length 8 and code 80877103 ("Message Formats", SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A connector's way through `opening` with a server that does `serve`.
async fn meet<T>(
    certificates: &Certificates,
    opening: TlsNegotiation,
    serve: impl AsyncFnOnce(TcpStream) -> T,
) -> (Result<Connected, ConnectError>, T) {
    let upstream = Upstream::bind().await;
    let connector = upstream.connector("localhost", &trusting(certificates), opening);
    tokio::join!(in_time("the connector", connector.connect()), async {
        serve(upstream.accept().await).await
    })
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = [0; 8];
    in_time("the SSLRequest", stream.read_exact(&mut request)).await.expect("open");
    assert_eq!(request, SSL_REQUEST);
}

/// The error's line after a server answered `answer` and closed, and what the connector sent in all.
async fn answered(answer: &[u8]) -> (String, Vec<u8>) {
    let (ours, sent) = meet(&Certificates::generate(), TlsNegotiation::Postgres, async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(answer).await.expect("open");
        stream.shutdown().await.expect("open");
        read_all(&mut stream).await.expect("closed, not reset")
    })
    .await;
    (chain(&ours.expect_err("no TLS")), sent)
}

#[tokio::test]
async fn tls_begins_after_the_request_and_an_s() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let config = server_config(&certificates, version);
        let (ours, theirs) = meet(&certificates, TlsNegotiation::Postgres, async |mut stream| {
            read_request(&mut stream).await;
            stream.write_all(b"S").await.expect("open");
            accept_tls(stream, config).await
        })
        .await;
        let (mut ours, mut theirs) = (ours.expect("TLS").stream, theirs.expect("TLS"));
        // The beginning of a message that has nothing to do with authentication.
        theirs.write_all(b"Z").await.expect("open");
        theirs.flush().await.expect("open");
        assert_eq!(in_time("the word", ours.read_u8()).await.expect("open"), b'Z');
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_of_and_sent_nothing_more() {
    let (told, rest) = answered(b"N").await;
    assert!(
        told.ends_with("the PostgreSQL server does not offer TLS (it answered `N` to SSLRequest)"),
        "{told}"
    );
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_server_of_another_protocol_is_told_of() {
    let (told, _) = answered(b"H").await;
    assert!(
        told.ends_with("the upstream does not speak PostgreSQL (it answered `H` to SSLRequest)"),
        "{told}"
    );
}

#[tokio::test]
async fn an_answer_that_is_neither_is_told() {
    // An ErrorResponse, from a server too old for the request or with no connections left.
    let (told, rest) = answered(b"E").await;
    assert!(told.contains("(it answered `E` to SSLRequest)"), "{told}");
    assert_eq!(rest, b"");
    let (told, _) = answered(&[0]).await;
    assert!(told.contains(r"(it answered `\x00` to SSLRequest)"), "{told}");
}

#[tokio::test]
async fn a_server_that_closes_instead_of_answering_is_told_of() {
    let (told, rest) = answered(b"").await;
    assert!(told.contains("the connection ended during SSLRequest: "), "{told}");
    assert_eq!(rest, b"");
}

/// CVE-2021-23222: what a man in the middle sends ahead in clear must not pass for the server's words.
#[tokio::test]
async fn bytes_in_clear_behind_the_s_fail_the_handshake() {
    // ErrorResponse, AuthenticationOk and ReadyForQuery, and the same as a TLS record without encryption.
    let message: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let record = [&[0x17, 3, 3, 0, 15][..], message].concat();
    for stuffed in [&b"E\0\0\0\x07M!\0\0"[..], message, &record] {
        let certificates = Certificates::generate();
        let config = server_config(&certificates, VERSIONS[1]);
        let (ours, _) = meet(&certificates, TlsNegotiation::Postgres, async |mut stream| {
            read_request(&mut stream).await;
            stream.write_all(&[b"S", stuffed].concat()).await.expect("open");
            accept_tls(stream, config).await
        })
        .await;
        let told = chain(&ours.expect_err("no TLS"));
        assert!(told.contains("TLS as `localhost`"), "{told}");
    }
}

/// What a server that speaks `postgresql` and is not asked for TLS agrees on by ALPN.
async fn alpn(opening: TlsNegotiation) -> io::Result<Option<Vec<u8>>> {
    let certificates = Certificates::generate();
    let mut config = server_config(&certificates, VERSIONS[1]);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let (ours, theirs) = meet(&certificates, opening, async |stream| accept_tls(stream, config).await).await;
    let theirs = theirs?;
    ours.expect("TLS");
    Ok(theirs.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn the_direct_opening_of_postgres_offers_its_protocol() {
    assert_eq!(alpn(TlsNegotiation::PostgresDirect).await.expect("TLS").as_deref(), Some(&b"postgresql"[..]));
}

#[tokio::test]
async fn a_direct_opening_offers_no_protocol() {
    assert_eq!(alpn(TlsNegotiation::Direct).await.expect("TLS"), None);
}
