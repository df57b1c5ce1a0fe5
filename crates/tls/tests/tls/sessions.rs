//! Whole sessions: a client, a relay with TLS on its legs, and a server on threads.

use std::io::{self, Read, Write};
use std::net::{self, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use fault_proxy_relay::{Config, Relay, Route, SessionSummary, Shutdown, TcpAcceptor, TcpConnector};
use fault_proxy_tls::{ClientTls, PostgresClear, TlsConnector, TlsNegotiation};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use testkit::{Certificates, Pattern, TcpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bulk::{receive, send};
use crate::support::{
    VERSIONS, client_config, handshake, in_time, open_tls, read_all, server_config, trusting,
};

pub(crate) type Served = StreamOwned<ServerConnection, net::TcpStream>;

/// A TLS server that calls `handler` with each connection.
pub(crate) fn tls_server(
    config: ServerConfig,
    handler: impl Fn(Served) + Send + Sync + 'static,
) -> TcpServer {
    let config = Arc::new(config);
    TcpServer::start(move |tcp| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a complete configuration");
        handler(StreamOwned::new(connection, tcp));
    })
}

/// Says close_notify, then FIN.
pub(crate) fn half_close(stream: &mut Served) {
    stream.conn.send_close_notify();
    stream.flush().expect("open");
    stream.sock.shutdown(net::Shutdown::Write).expect("open");
}

fn echo(mut stream: Served) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer).expect("a clean end") {
            0 => return half_close(&mut stream),
            got => stream.write_all(&buffer[..got]).expect("open"),
        }
    }
}

fn reply_after_eof(mut stream: Served) {
    let mut reply = TcpServer::REPLY_PREFIX.to_vec();
    stream.read_to_end(&mut reply).expect("a clean end");
    stream.write_all(&reply).expect("open");
    half_close(&mut stream);
}

pub(crate) fn to(far_end: &TcpServer, tls: &ClientTls, opening: TlsNegotiation) -> Route {
    let tcp = TcpConnector::new("localhost", far_end.addr().port());
    Route::to(TlsConnector::new(tcp, tls, opening).expect("usable files"))
}

/// What `client` makes of a relay on `route`, and what the relay knows of that one session.
pub(crate) async fn session<T>(
    route: Route,
    client: impl AsyncFnOnce(SocketAddr) -> T,
) -> (T, SessionSummary) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let summaries = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&summaries);
    let relay = Relay::new(Config::default()).on_session_end(move |summary| {
        told.lock().expect("not poisoned").push(summary.clone());
    });
    let shutdown = Shutdown::new();
    let acceptor = TcpAcceptor::new(listener).expect("a socket");
    let (seen, ()) = in_time("the session", async {
        tokio::join!(
            async {
                let seen = client(addr).await;
                shutdown.drain();
                seen
            },
            relay.run(acceptor, route, &shutdown)
        )
    })
    .await;
    let summary = summaries.lock().expect("not poisoned").pop().expect("one session");
    (seen, summary)
}

/// Sends all of `request`, half-closes, and reads the reply.
async fn ask(addr: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(addr).await.expect("listening");
    client.write_all(request).await?;
    client.shutdown().await?;
    read_all(&mut client).await
}

#[tokio::test]
async fn a_client_in_clear_has_32_mib_echoed_by_a_server_with_tls() {
    const LENGTH: u64 = 32 << 20;
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let server = tls_server(server_config(&certificates, version), echo);
        let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
        let (heard, summary) = session(route, async |addr| {
            let pattern = Pattern::new(3);
            let mut client = TcpStream::connect(addr).await.expect("listening");
            let (mut from, mut to) = client.split();
            tokio::join!(receive(&mut from, &pattern), send(&mut to, &pattern, LENGTH)).0
        })
        .await;
        assert_eq!(heard, LENGTH);
        assert!(summary.is_clean(), "{summary:?}");
        assert_eq!((summary.bytes.to_upstream, summary.bytes.to_downstream), (LENGTH, LENGTH));
        let upstream = summary.upstream.expect("reached");
        assert_eq!(upstream, server.addr().into());
    }
}

#[tokio::test]
async fn a_server_that_waits_for_the_half_close_gets_it_and_its_reply_arrives() {
    let certificates = Certificates::generate();
    let request = vec![b'q'; 1 << 20];
    for version in VERSIONS {
        let server = tls_server(server_config(&certificates, version), reply_after_eof);
        let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
        let (reply, summary) = session(route, async |addr| ask(addr, &request).await).await;
        assert!(reply.expect("no abort") == [TcpServer::REPLY_PREFIX, &request].concat());
        assert!(summary.is_clean(), "{summary:?}");
    }
}

#[tokio::test]
async fn both_legs_with_tls_pass_half_closes_on() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let server = tls_server(server_config(&certificates, version), reply_after_eof);
        let mut route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
        route.handshake = Some(Arc::new(handshake(&certificates, TlsNegotiation::Direct)));
        let (reply, summary) = session(route, async |addr| {
            let tcp = TcpStream::connect(addr).await.expect("listening");
            let mut client = open_tls(tcp, client_config(&certificates, version)).await.expect("TLS");
            client.write_all(b"question").await.expect("open");
            client.shutdown().await.expect("open");
            read_all(&mut client).await.expect("a clean end")
        })
        .await;
        assert_eq!(reply, b"after EOF: question");
        assert!(summary.is_clean(), "{summary:?}");
    }
}

#[tokio::test]
async fn a_client_of_postgres_in_clear_reaches_a_server_with_tls() {
    let certificates = Certificates::generate();
    let config = Arc::new(server_config(&certificates, VERSIONS[1]));
    let server = TcpServer::start(move |mut tcp| {
        let mut request = [0; 8];
        tcp.read_exact(&mut request).expect("the SSLRequest");
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
        tcp.write_all(b"S").expect("open");
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a complete configuration");
        reply_after_eof(StreamOwned::new(connection, tcp));
    });
    let mut route = to(&server, &trusting(&certificates), TlsNegotiation::Postgres);
    route.handshake = Some(Arc::new(PostgresClear));
    let (reply, summary) = session(route, async |addr| {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        for code in [48, 47] {
            client.write_all(&[0, 0, 0, 8, 4, 210, 22, code]).await.expect("open");
            assert_eq!(client.read_u8().await.expect("open"), b'N');
        }
        client.write_all(b"\0\0\0\x11\0\x03\0\0user\0me\0\0").await.expect("open");
        client.shutdown().await.expect("open");
        read_all(&mut client).await.expect("no abort")
    })
    .await;
    assert_eq!(reply, b"after EOF: \0\0\0\x11\0\x03\0\0user\0me\0\0");
    assert!(summary.is_clean(), "{summary:?}");
    assert_eq!(summary.bytes.to_upstream, 17, "the client's requests are not the upstream's");
}

#[tokio::test]
async fn a_server_that_closes_without_close_notify_ends_the_session_cleanly() {
    let certificates = Certificates::generate();
    let server = tls_server(server_config(&certificates, VERSIONS[1]), |mut stream| {
        stream.read_to_end(&mut Vec::new()).expect("a clean end");
        stream.write_all(b"good-bye").expect("open");
    });
    let route = to(&server, &trusting(&certificates), TlsNegotiation::Direct);
    let (reply, summary) = session(route, async |addr| ask(addr, b"").await).await;
    assert_eq!(reply.expect("no abort"), b"good-bye");
    assert!(summary.is_clean(), "{summary:?}");
}
