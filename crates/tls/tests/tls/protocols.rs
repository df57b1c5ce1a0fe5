//! Application protocols (ALPN) across both legs.

use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use fault_proxy_relay::{CloseReason, OnUpstreamFailure, Route, SessionSummary, TcpConnector};
use fault_proxy_tls::{ServerTls, TlsConnector, TlsHandshake, TlsNegotiation};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection};
use testkit::{Certificates, TcpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::sessions::{Served, half_close, session, tls_server, to};
use crate::support::{
    VERSIONS, Version, client_config, handshake, open_tls, read_all, server_config, trusting,
};

fn names(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// Says which protocol it has chosen, and which it was offered none of.
fn tell(mut stream: Served) {
    // Where the handshake fails, that is the answer.
    if stream.conn.complete_io(&mut stream.sock).is_ok() {
        let chosen = stream.conn.alpn_protocol().unwrap_or(b"none").to_vec();
        stream.write_all(&chosen).expect("open");
        half_close(&mut stream);
    }
}

fn upstream(certificates: &Certificates, version: Version, protocols: &[&str]) -> TcpServer {
    let mut config = server_config(certificates, version);
    config.alpn_protocols = names(protocols);
    tls_server(config, tell)
}

fn client(certificates: &Certificates, version: Version, offered: &[&str]) -> ClientConfig {
    let mut config = client_config(certificates, version);
    config.alpn_protocols = names(offered);
    config
}

/// Both protocols of a session: that of the client, and that of the upstream.
async fn chosen(route: Route, config: ClientConfig) -> (io::Result<(String, String)>, SessionSummary) {
    session(route, async |addr| {
        let tcp = TcpStream::connect(addr).await.expect("listening");
        let mut stream: TlsStream<TcpStream> = open_tls(tcp, config).await?;
        let ours = stream.get_ref().1.alpn_protocol().unwrap_or(b"none").to_vec();
        let theirs = read_all(&mut stream).await?;
        Ok((String::from_utf8_lossy(&ours).into_owned(), String::from_utf8_lossy(&theirs).into_owned()))
    })
    .await
}

/// TLS on both legs.
fn between(certificates: &Certificates, upstream: &TcpServer) -> Route {
    let mut route = to(upstream, &trusting(certificates), TlsNegotiation::Direct);
    let leg = handshake(certificates, TlsNegotiation::Direct).with_protocols_of_upstream();
    route.handshake = Some(Arc::new(leg));
    route
}

#[tokio::test]
async fn the_upstream_chooses_among_what_the_client_offers() {
    let certificates = Certificates::generate();
    for (offered, known, expected) in [
        (&["h2", "http/1.1"][..], &["h2", "http/1.1"][..], "h2"),
        (&["http/1.1", "h2"], &["h2", "http/1.1"], "h2"),
        (&["h2", "http/1.1"], &["http/1.1"], "http/1.1"),
        (&["http/1.1"], &["h2", "http/1.1"], "http/1.1"),
        (&["h2"], &[], "none"),
        (&[], &["h2", "http/1.1"], "none"),
        (&[], &[], "none"),
    ] {
        for versions in [[0, 0], [1, 1], [0, 1], [1, 0]] {
            let [ours, theirs] = versions.map(|version| VERSIONS[version]);
            let upstream = upstream(&certificates, theirs, known);
            let route = between(&certificates, &upstream);
            let (seen, summary) = chosen(route, client(&certificates, ours, offered)).await;
            let both = (expected.to_owned(), expected.to_owned());
            assert_eq!(seen.expect("a session"), both, "{offered:?} {known:?}");
            assert!(summary.is_clean(), "{summary:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_knows_none_of_them_refuses_the_client_with_its_alert() {
    let certificates = Certificates::generate();
    for (version, on_upstream_failure) in [
        (VERSIONS[0], OnUpstreamFailure::Close),
        (VERSIONS[1], OnUpstreamFailure::Close),
        (VERSIONS[1], OnUpstreamFailure::Abort),
    ] {
        let upstream = upstream(&certificates, version, &["h2"]);
        let route = Route { on_upstream_failure, ..between(&certificates, &upstream) };
        let (seen, summary) = chosen(route, client(&certificates, version, &["imap"])).await;
        let error = seen.expect_err("refused");
        let alert = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let expected = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(alert, Some(&expected), "{error}");
        let CloseReason::NotOpened(reason) = &summary.upstream_end else { panic!("{summary:?}") };
        assert!(reason.contains("NoApplicationProtocol"), "{reason}");
    }
}

/// As a client that offers nothing: a handshake, then no session.
#[tokio::test]
async fn a_client_that_offers_protocols_completes_its_handshake_though_the_upstream_is_dead() {
    let certificates = Certificates::generate();
    let closed = net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    for (offered, on_upstream_failure) in [
        (&["h2"][..], OnUpstreamFailure::Close),
        (&["h2"], OnUpstreamFailure::Abort),
        (&[], OnUpstreamFailure::Close),
    ] {
        let tcp = TcpConnector::new("127.0.0.1", port);
        let connector =
            TlsConnector::new(tcp, &trusting(&certificates), TlsNegotiation::Direct).expect("files");
        let mut route = Route::to(connector);
        let leg = handshake(&certificates, TlsNegotiation::Direct).with_protocols_of_upstream();
        route.handshake = Some(Arc::new(leg));
        route.on_upstream_failure = on_upstream_failure;
        let config = client(&certificates, VERSIONS[1], offered);
        let (seen, summary) = session(route, async |addr| {
            let tcp = TcpStream::connect(addr).await.expect("listening");
            let mut stream = open_tls(tcp, config).await.expect("a handshake");
            let end = read_all(&mut stream).await;
            end.map_or(true, |bytes| bytes.is_empty())
        })
        .await;
        assert!(seen, "{offered:?}");
        assert!(matches!(summary.upstream_end, CloseReason::NotOpened(_)), "{summary:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_after_its_hello_is_told_from_an_upstream_that_fails() {
    let certificates = Certificates::generate();
    let (told, heard) = mpsc::channel();
    let told = Mutex::new(told);
    let mut config = server_config(&certificates, VERSIONS[1]);
    config.alpn_protocols = names(&["h2"]);
    let upstream = tls_server(config, move |mut stream| {
        let end = stream.conn.complete_io(&mut stream.sock).and_then(|_| stream.read(&mut [0; 1]));
        told.lock().expect("not poisoned").send(end).expect("the test waits");
    });
    let config = client(&certificates, VERSIONS[1], &["h2"]);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut hello = Vec::new();
    let mut connection = ClientConnection::new(config.into(), name).expect("a complete configuration");
    connection.write_tls(&mut hello).expect("a vector takes all");
    let ((), summary) = session(between(&certificates, &upstream), async |addr| {
        let mut tcp = TcpStream::connect(addr).await.expect("listening");
        tcp.write_all(&hello).await.expect("open");
        tcp.shutdown().await.expect("open");
        read_all(&mut tcp).await.ok();
    })
    .await;
    assert_eq!(summary.not_opened, Some("client_handshake"), "{summary:?}");
    let heard = heard.recv_timeout(Duration::from_secs(60)).expect("in time");
    // What the reset meets first depends on the moment; a close would be the end of a file.
    let kind = heard.expect_err("a reset").kind();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind:?}");
}

#[tokio::test]
async fn a_hello_in_pieces_and_one_larger_than_a_record_are_read() {
    let certificates = Certificates::generate();
    let upstream = upstream(&certificates, VERSIONS[1], &["h2"]);
    // 24 KiB of names: more than a record of 16 KiB holds.
    let many: Vec<String> = (0..100).map(|number| format!("{number:0>250}")).collect();
    let mut offered: Vec<&str> = many.iter().map(String::as_str).collect();
    offered.push("h2");
    let config = client(&certificates, VERSIONS[1], &offered);
    let (seen, _) = chosen(between(&certificates, &upstream), config).await;
    assert_eq!(seen.expect("a session"), ("h2".to_owned(), "h2".to_owned()));

    let config = client(&certificates, VERSIONS[1], &["h2"]);
    let (seen, _) = session(between(&certificates, &upstream), async |addr: SocketAddr| {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut tcp = TcpStream::connect(addr).await.expect("listening");
        tcp.set_nodelay(true).expect("a socket");
        let bytewise = async { tokio::io::copy_bidirectional_with_sizes(&mut theirs, &mut tcp, 1, 1).await };
        let talk = async {
            let mut stream = open_tls(ours, config).await.expect("a handshake");
            let mut told = [0; 2];
            stream.read_exact(&mut told).await.expect("open");
            stream.shutdown().await.expect("open");
            told
        };
        tokio::join!(bytewise, talk).1
    })
    .await;
    assert_eq!(&seen, b"h2");
}

#[tokio::test]
async fn clients_in_clear_are_offered_what_is_configured() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let upstream = upstream(&certificates, version, &["h2", "http/1.1"]);
        for (configured, expected) in
            [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1"), (&[], "none")]
        {
            let tcp = TcpConnector::new("localhost", upstream.addr().port());
            let connector =
                TlsConnector::new(tcp, &trusting(&certificates), TlsNegotiation::Direct).expect("files");
            let route = Route::to(connector.with_protocols(names(configured)));
            let (told, _) = session(route, async |addr| {
                read_all(&mut TcpStream::connect(addr).await.expect("listening")).await
            })
            .await;
            assert_eq!(told.expect("no abort"), expected.as_bytes());
        }
    }
}

#[tokio::test]
async fn clear_upstreams_leave_the_choice_to_what_is_configured() {
    let certificates = Certificates::generate();
    let upstream = TcpServer::start(|mut tcp| tcp.write_all(b"clear").expect("open"));
    let tls =
        ServerTls::from_files(certificates.server_cert(), certificates.server_key()).expect("PEM files");
    for (offered, expected) in [
        (&["h2", "http/1.1"][..], Some("http/1.1")),
        (&["h2"], Some("h2")),
        (&[], Some("none")),
        (&["imap"], None),
    ] {
        let leg = TlsHandshake::new(&tls, TlsNegotiation::Direct).expect("they belong together");
        let leg = leg.with_protocols(names(&["http/1.1", "h2"]));
        let connector = TcpConnector::new("localhost", upstream.addr().port());
        let route = Route { handshake: Some(Arc::new(leg)), ..Route::to(connector) };
        let (seen, _) = chosen(route, client(&certificates, VERSIONS[1], offered)).await;
        assert_eq!(seen.ok().map(|(ours, _)| ours).as_deref(), expected, "{offered:?}");
    }
}

/// A resumed session negotiates again, as RFC 7301 and RFC 8446 have it.
#[tokio::test]
async fn a_resumed_session_has_the_protocol_of_its_own_client() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let upstream = upstream(&certificates, version, &["h2", "http/1.1"]);
        let mut route = between(&certificates, &upstream);
        let mut config = client(&certificates, version, &[]);
        for offered in ["h2", "http/1.1", "h2"] {
            // The clone shares the sessions of both legs.
            config.alpn_protocols = names(&[offered]);
            let kept = route.clone();
            let (seen, _) = chosen(route, config.clone()).await;
            assert_eq!(seen.expect("a session"), (offered.to_owned(), offered.to_owned()));
            route = kept;
        }
    }
}
