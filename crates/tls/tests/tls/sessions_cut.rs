//! TLS sessions that end with an error: the peers must not mistake this for a clean end.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_relay::{BoxStream, CloseReason, SessionSummary};
use fault_proxy_tls::{ClientTls, TlsNegotiation};
use testkit::{Certificates, TcpServer, abort};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sessions::{half_close, session, tls_server, to};
use crate::support::{
    VERSIONS, broken, handshake, in_time, mutual_server_config, read_all, server_config, trusting,
};

/// Returns the bytes that a client receives if it does not send data.
async fn connect_and_read(addr: std::net::SocketAddr) -> io::Result<Vec<u8>> {
    read_all(&mut TcpStream::connect(addr).await.expect("listening")).await
}

fn assert_reset(seen: io::Result<Vec<u8>>) {
    assert_eq!(seen.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_server_that_is_not_to_be_trusted_resets_the_client() {
    let certificates = Certificates::generate();
    let tls = ClientTls { ca_file: Some(certificates.other_ca_file().to_owned()), ..ClientTls::default() };
    // The handshake fails when the server first reads.
    let server = tls_server(server_config(&certificates, VERSIONS[1]), |mut stream| {
        stream.read(&mut [0; 1]).expect_err("refused");
    });
    let route = to(&server, &tls, TlsNegotiation::Direct);
    let (seen, summary) = session(route, connect_and_read).await;
    assert_reset(seen);
    let CloseReason::NotOpened(reason) = &summary.upstream_end else { panic!("{summary:?}") };
    assert!(reason.contains("TLS as `localhost`") && reason.contains("UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn a_missing_client_certificate_resets_the_client() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let server = tls_server(mutual_server_config(&certificates, version), |mut stream| {
            stream.read(&mut [0; 1]).expect_err("demanded");
        });
        let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
        let (seen, summary) = session(route, connect_and_read).await;
        assert_reset(seen);
        let (CloseReason::NotOpened(reason) | CloseReason::Failed(reason)) = &summary.upstream_end else {
            panic!("{summary:?}")
        };
        assert!(reason.contains("alert"), "{reason}");
    }
}

#[tokio::test]
async fn a_server_that_resets_resets_the_client() {
    let certificates = Certificates::generate();
    let server = tls_server(server_config(&certificates, VERSIONS[1]), |mut stream| {
        stream.write_all(b"half an ans").expect("open");
        stream.flush().expect("open");
        stream.read_exact(&mut [0; 3]).expect("open");
        abort(stream.sock);
    });
    let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
    let (seen, summary) = session(route, async |addr| {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        in_time("the words", client.read_exact(&mut [0; 11])).await.expect("open");
        client.write_all(b"ack").await.expect("open");
        read_all(&mut client).await
    })
    .await;
    assert_reset(seen);
    assert_eq!(
        (summary.downstream_end, summary.upstream_end),
        (CloseReason::AbortedByRelay, CloseReason::Aborted)
    );
}

#[tokio::test]
async fn a_server_that_resets_after_its_half_close_resets_the_client() {
    let certificates = Certificates::generate();
    let (seen_by_client, half_close_seen) = mpsc::channel();
    let half_close_seen = Mutex::new(half_close_seen);
    let server = tls_server(server_config(&certificates, VERSIONS[1]), move |mut stream| {
        stream.read_exact(&mut [0; 2]).expect("open");
        half_close(&mut stream);
        half_close_seen.lock().expect("not poisoned").recv().expect("the client tells");
        abort(stream.sock);
    });
    let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
    let (seen, summary) = session(route, async |addr| {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        client.write_all(b"go").await.expect("open");
        assert_eq!(read_all(&mut client).await.expect("a half-close"), b"");
        seen_by_client.send(()).expect("the server waits");
        broken(&mut (Box::new(client) as BoxStream)).await
    })
    .await;
    // Linux's name for a reset after a FIN.
    assert_eq!(seen.kind(), ErrorKind::BrokenPipe);
    assert_eq!(
        (summary.downstream_end, summary.upstream_end),
        (CloseReason::AbortedByRelay, CloseReason::Aborted)
    );
}

#[tokio::test]
async fn a_client_that_resets_resets_the_server() {
    let certificates = Certificates::generate();
    let (told, heard) = mpsc::channel();
    let told = Mutex::new(told);
    let server = tls_server(server_config(&certificates, VERSIONS[1]), move |mut stream| {
        stream.read_exact(&mut [0; 4]).expect("open");
        stream.write_all(b"go").expect("open");
        stream.flush().expect("open");
        told.lock().expect("not poisoned").send(stream.read(&mut [0; 1])).expect("the test waits");
    });
    let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
    let ((), summary) = session(route, async |addr| {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        client.write_all(b"half").await.expect("open");
        in_time("the word", client.read_exact(&mut [0; 2])).await.expect("open");
        client.set_zero_linger().expect("a socket");
    })
    .await;
    assert_eq!(
        (summary.downstream_end, summary.upstream_end),
        (CloseReason::Aborted, CloseReason::AbortedByRelay)
    );
    let heard = heard.recv_timeout(Duration::from_secs(60)).expect("in time");
    assert_eq!(heard.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

/// Returns the bytes received by a client that sent `words` to a TLS listener, and the summary of its session.
async fn turned_away(opening: TlsNegotiation, words: &[u8]) -> (Vec<u8>, SessionSummary) {
    let certificates = Certificates::generate();
    let never = TcpServer::start(|_| panic!("dialed for a client without TLS"));
    let mut route = to(&never, &trusting(&certificates), TlsNegotiation::Direct);
    route.handshake = Some(Arc::new(handshake(&certificates, opening)));
    session(route, async |addr| {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        client.write_all(words).await.expect("open");
        let mut told = Vec::new();
        // A reset may follow: the listener need not have read everything.
        in_time("the end", client.read_to_end(&mut told)).await.ok();
        told
    })
    .await
}

#[tokio::test]
async fn a_client_without_tls_is_turned_away_with_a_word() {
    let (told, summary) = turned_away(TlsNegotiation::Direct, b"GET / HTTP/1.1\r\n\r\n").await;
    // A fatal alert.
    assert_eq!((told[0], told[5]), (0x15, 2), "{told:?}");
    assert!(matches!(summary.downstream_end, CloseReason::NotOpened(_)), "{summary:?}");
    assert_eq!(summary.upstream, None);

    let (told, summary) = turned_away(TlsNegotiation::Postgres, b"\0\0\0\x11\0\x03\0\0user\0me\0\0").await;
    assert!(told.starts_with(b"E") && told.ends_with(b"\0\0"), "{told:?}");
    let CloseReason::NotOpened(reason) = &summary.downstream_end else { panic!("{summary:?}") };
    assert!(reason.contains("expects it"), "{reason}");
    assert_eq!(summary.upstream, None);
}
