//! How sessions end: half-close, abort, nothing to connect to, drain.

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown as Half};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use fault_proxy_relay::{
    ByteCounts, CloseReason, Config, ConnectError, Connecting, Connector, OnUpstreamFailure, Relay, Route,
    SessionSummary, Shutdown, TcpAcceptor, TcpConnector,
};
use support::{ConnectTo, FOREVER, Prepared, Running, in_time};
use testkit::{TcpServer, abort};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

fn route_to(far_end: &TcpServer) -> Route {
    Route::to(TcpConnector::new("127.0.0.1", far_end.addr().port()))
}

async fn relay_to(far_end: &TcpServer) -> Running {
    Running::start(Config::default(), route_to(far_end)).await
}

/// Reads a connection to its end and returns the result.
fn reporting(how: Sender<io::Result<Vec<u8>>>) -> impl Fn(net::TcpStream) + Send + Sync + 'static {
    let how = Mutex::new(how);
    move |mut stream| {
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).map(|_| all);
        how.lock().expect("not poisoned").send(end).expect("the test waits");
    }
}

fn ends(summary: &SessionSummary) -> (&CloseReason, &CloseReason) {
    (&summary.downstream_end, &summary.upstream_end)
}

#[tokio::test]
async fn a_client_that_half_closes_gets_the_whole_reply() {
    let far_end = TcpServer::reply_after_eof();
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    let request = vec![b'x'; 3 << 20];
    client.write_all(&request).await.expect("relayed");
    client.shutdown().await.expect("open");
    let mut reply = Vec::new();
    in_time("the reply", client.read_to_end(&mut reply)).await.expect("no abort");
    assert_eq!(reply.len(), TcpServer::REPLY_PREFIX.len() + request.len());
    assert!(running.summary().await.is_clean());
}

#[tokio::test]
async fn an_upstream_that_half_closes_still_gets_the_rest() {
    let (told, heard) = mpsc::channel();
    let report = reporting(told);
    let far_end = TcpServer::start(move |stream| {
        stream.shutdown(Half::Write).expect("open");
        report(stream);
    });
    let running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    assert_eq!(in_time("the half-close", client.read(&mut [0; 1])).await.expect("no abort"), 0);
    client.write_all(b"the rest").await.expect("relayed");
    client.shutdown().await.expect("open");
    let heard = tokio::task::spawn_blocking(move || heard.recv_timeout(FOREVER)).await.expect("no panic");
    assert_eq!(heard.expect("in time").expect("no abort"), b"the rest");
}

#[tokio::test]
async fn a_clients_abort_reaches_the_upstream_as_an_abort() {
    let (told, heard) = mpsc::channel();
    let far_end = TcpServer::start(reporting(told));
    let mut running = relay_to(&far_end).await;
    let mut client = net::TcpStream::connect(running.addr).expect("listening");
    client.write_all(b"half a request").expect("open");
    abort(client);
    let heard = tokio::task::spawn_blocking(move || heard.recv_timeout(FOREVER)).await.expect("no panic");
    assert_eq!(heard.expect("in time").expect_err("not a clean end").kind(), ErrorKind::ConnectionReset);
    assert_eq!(ends(&running.summary().await), (&CloseReason::Aborted, &CloseReason::AbortedByRelay));
}

#[tokio::test]
async fn an_upstreams_abort_reaches_the_client_as_an_abort() {
    let far_end = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0; 4]).expect("the client speaks");
        abort(stream);
    });
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"ping").await.expect("open");
    let end = in_time("the abort", client.read(&mut [0; 1])).await;
    assert_eq!(end.expect_err("not a clean end").kind(), ErrorKind::ConnectionReset);
    assert_eq!(ends(&running.summary().await), (&CloseReason::AbortedByRelay, &CloseReason::Aborted));
}

/// The relay does not read a client whose bytes the upstream does not take; its abort is noticed all the same.
#[tokio::test]
async fn a_client_that_aborts_behind_a_stalled_upstream_is_noticed() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let far_end = TcpServer::start(move |_stream| held.lock().expect("one session").recv().unwrap_or(()));
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    let (chunk, mut sent) = (vec![0; 1 << 20], 0);
    // The relay runs on this thread: while a write waits for it, it waits for the upstream.
    in_time("a stall", async {
        while let Ok(written) = timeout(Duration::from_secs(1), client.write(&chunk)).await {
            sent += written.expect("open") as u64;
        }
    })
    .await;
    abort(client.into_std().expect("a socket"));
    // From here on only time passes: the relay gives the upstream some to take what it still holds.
    tokio::time::pause();
    let summary = running.summary().await;
    drop(hold);
    assert!(summary.bytes.to_upstream < sent, "the upstream took all {sent} bytes");
    assert_eq!(ends(&summary), (&CloseReason::Aborted, &CloseReason::AbortedByRelay));
}

/// As over plain TCP: a server may answer and close while its client still sends.
#[tokio::test]
async fn last_words_of_an_upstream_that_stopped_reading_are_delivered() {
    let far_end = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0; 4]).expect("the client speaks");
        stream.write_all(b"413 too large").expect("open");
        stream.shutdown(Half::Write).expect("open");
        stream.read_exact(&mut [0; 1]).expect("the client goes on");
        abort(stream);
    });
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"POST").await.expect("open");
    let mut words = [0; 13];
    in_time("the answer", client.read_exact(&mut words)).await.expect("delivered");
    assert_eq!(&words, b"413 too large");
    client.write_all(b"more").await.expect("not yet told");
    let summary = running.summary().await;
    assert_eq!(summary.upstream_end, CloseReason::Aborted);
}

#[tokio::test]
async fn without_an_upstream_the_client_is_reset_and_the_next_one_served() {
    let refused = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = refused.local_addr().expect("bound").port();
    drop(refused);
    for (host, why) in [("127.0.0.1", "refused"), ("nowhere.invalid", "cannot resolve `nowhere.invalid`")] {
        let mut running = Running::start(Config::default(), Route::to(TcpConnector::new(host, port))).await;
        for _ in 0..2 {
            let client = TcpStream::connect(running.addr).await;
            let end = match client {
                Ok(mut client) => {
                    in_time("the reset", client.read(&mut [0; 1])).await.expect_err("no clean end")
                }
                Err(error) => error,
            };
            assert_eq!(end.kind(), ErrorKind::ConnectionReset);
            let summary = running.summary().await;
            let CloseReason::NotOpened(reason) = &summary.upstream_end else { panic!("{summary:?}") };
            assert!(reason.contains(why), "{reason}");
        }
    }
}

#[tokio::test]
async fn every_address_of_a_name_is_tried_in_turn() {
    // On systems where localhost is ::1 too, that is tried and refused first.
    let far_end = TcpServer::echo();
    let mut running =
        Running::start(Config::default(), Route::to(TcpConnector::new("localhost", far_end.addr().port())))
            .await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.shutdown().await.expect("open");
    assert_eq!(in_time("the end", client.read(&mut [0; 1])).await.expect("no abort"), 0);
    assert!(running.summary().await.is_clean());
}

#[tokio::test]
async fn a_drain_refuses_new_clients_and_lets_sessions_finish() {
    let far_end = TcpServer::echo();
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"before").await.expect("open");
    client.read_exact(&mut [0; 6]).await.expect("echoed");
    running.shutdown.drain();
    in_time("the listener's end", async {
        while TcpStream::connect(running.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.write_all(b"after").await.expect("still open");
    client.read_exact(&mut [0; 5]).await.expect("still echoed");
    assert!(!running.relay.is_finished());
    drop(client);
    assert!(running.summary().await.is_clean());
    in_time("the relay's end", running.relay).await.expect("no panic");
}

#[tokio::test]
async fn the_end_of_a_drain_aborts_what_is_left() {
    let far_end = TcpServer::echo();
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"x").await.expect("open");
    client.read_exact(&mut [0; 1]).await.expect("echoed");
    running.shutdown.drain();
    running.shutdown.abort();
    let end = in_time("the abort", client.read(&mut [0; 1])).await;
    assert_eq!(end.expect_err("not a clean end").kind(), ErrorKind::ConnectionReset);
    assert_eq!(ends(&running.summary().await), (&CloseReason::AbortedByRelay, &CloseReason::AbortedByRelay));
    in_time("the relay's end", running.relay).await.expect("no panic");
}

#[tokio::test]
async fn a_closed_relay_ends_its_sessions_with_an_end_of_file() {
    let (told, heard) = mpsc::channel();
    let far_end = TcpServer::start(reporting(told));
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"x").await.expect("open");
    in_time("the byte's delivery", async {
        while running.live.stats().bytes.to_upstream == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.shutdown.close();
    assert_eq!(in_time("the close", client.read(&mut [0; 1])).await.expect("no abort"), 0);
    assert_eq!(heard.recv_timeout(FOREVER).expect("an end").expect("no abort"), b"x");
    assert_eq!(ends(&running.summary().await), (&CloseReason::Closed, &CloseReason::Closed));
    in_time("the relay's end", running.relay).await.expect("no panic");
    assert_eq!(
        TcpStream::connect(running.addr).await.expect_err("closed").kind(),
        ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn sessions_are_shown_while_they_last() {
    let far_end = TcpServer::echo();
    let mut running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"12345").await.expect("open");
    client.read_exact(&mut [0; 5]).await.expect("echoed");
    in_time("both counts", async {
        while running.live.stats().bytes.to_downstream < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let [session] = &running.live.open(2)[..] else { panic!("one session") };
    assert_eq!(session.downstream, client.local_addr().expect("connected").into());
    assert_eq!(session.upstream(), Some(&far_end.addr().into()));
    assert_eq!(session.bytes(), ByteCounts { to_upstream: 5, to_downstream: 5 });
    drop(client);
    running.summary().await;
    let totals = running.live.stats();
    assert_eq!((totals.sessions, totals.active), (1, 0));
    assert_eq!(totals.bytes, ByteCounts { to_upstream: 5, to_downstream: 5 });
}

#[tokio::test]
async fn dropping_a_running_relay_aborts_its_sessions() {
    let far_end = TcpServer::echo();
    let running = relay_to(&far_end).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"x").await.expect("open");
    client.read_exact(&mut [0; 1]).await.expect("echoed");
    running.relay.abort();
    let end = in_time("the abort", client.read(&mut [0; 1])).await;
    assert_eq!(end.expect_err("not a clean end").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn errors_of_accept_are_survived() {
    const EMFILE: i32 = 24;
    let far_end = TcpServer::echo();
    let (mut client, downstream) = tokio::io::duplex(64);
    let accepts = vec![
        Err(ErrorKind::ConnectionAborted.into()),
        Err(io::Error::from_raw_os_error(EMFILE)),
        Err(io::Error::from_raw_os_error(EMFILE)),
        Ok(Box::new(downstream) as fault_proxy_relay::BoxStream),
    ];
    let mut running =
        Running::start_with(Config::default(), Prepared::new(accepts), route_to(&far_end), far_end.addr());
    client.write_all(b"x").await.expect("open");
    in_time("the echo", client.read_exact(&mut [0; 1])).await.expect("echoed");
    drop(client);
    running.summary().await;
}

#[tokio::test]
async fn at_the_limit_a_client_waits_for_another_to_leave() {
    let far_end = TcpServer::echo();
    let mut config = Config::default();
    config.max_sessions = 1;
    let running = Running::start(config, route_to(&far_end)).await;
    let mut first = TcpStream::connect(running.addr).await.expect("listening");
    first.write_all(b"x").await.expect("open");
    first.read_exact(&mut [0; 1]).await.expect("echoed");
    let mut second = TcpStream::connect(running.addr).await.expect("listening");
    second.write_all(b"y").await.expect("open");
    let early = timeout(Duration::from_millis(200), second.read(&mut [0; 1])).await;
    assert!(early.is_err(), "served beyond the limit");
    drop(first);
    in_time("its turn", second.read_exact(&mut [0; 1])).await.expect("echoed");
}

/// Listeners share the limit: none of them may keep a place while a client of another waits.
#[tokio::test]
async fn an_idle_listener_keeps_no_place_from_another() {
    let far_end = TcpServer::echo();
    let mut config = Config::default();
    config.max_sessions = 1;
    let relay = Relay::new(config);
    let (mut relays, shutdown) = (tokio::task::JoinSet::new(), Shutdown::new());
    let mut addrs = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        addrs.push(listener.local_addr().expect("bound"));
        let (relay, route, shutdown) = (relay.clone(), route_to(&far_end), shutdown.clone());
        let listener = TcpAcceptor::new(listener).expect("a socket");
        relays.spawn(async move { relay.run(listener, route, &shutdown).await });
    }
    for addr in addrs {
        let mut client = TcpStream::connect(addr).await.expect("listening");
        client.write_all(b"x").await.expect("open");
        in_time("the echo", client.read_exact(&mut [0; 1])).await.expect("echoed");
    }
}

#[tokio::test]
async fn both_sockets_have_nagle_off_and_urgent_bytes_in_line() {
    let far_end = TcpServer::echo();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let mut acceptor = TcpAcceptor::new(listener).expect("a socket");
    let (client, accepted) =
        tokio::join!(TcpStream::connect(addr), fault_proxy_relay::Listener::accept(&mut acceptor));
    let accepted = accepted.expect("a client").stream;
    let (connected, _) =
        TcpConnector::new("127.0.0.1", far_end.addr().port()).connect_tcp().await.expect("listening");
    for stream in [accepted.as_tcp().expect("TCP"), &connected] {
        let socket = socket2::SockRef::from(stream);
        assert!(socket.tcp_nodelay().expect("a socket"));
        assert!(socket.out_of_band_inline().expect("a socket"));
    }
    drop(client);
}

/// A short session never pays for the options that its upstream does not need yet.
#[tokio::test]
async fn an_upstream_gets_nodelay_at_the_second_write_and_keep_alive_when_the_session_lasts() {
    let far_end = TcpServer::echo();
    let upstream = net::TcpStream::connect(far_end.addr()).expect("listening");
    upstream.set_nonblocking(true).expect("a socket");
    let observed = socket2::Socket::from(upstream.try_clone().expect("a socket"));
    let upstream = TcpStream::from_std(upstream).expect("a runtime");
    let running = Running::start(Config::default(), Route::to(ConnectTo::new(Box::new(upstream)))).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    client.write_all(b"x").await.expect("open");
    client.read_exact(&mut [0; 1]).await.expect("echoed");
    assert!(!observed.keepalive().expect("a socket"), "set at once");
    assert!(!observed.tcp_nodelay().expect("a socket"), "set at once");
    client.write_all(b"y").await.expect("open");
    client.read_exact(&mut [0; 1]).await.expect("echoed");
    assert!(observed.tcp_nodelay().expect("a socket"));
    in_time("keep-alive", async {
        while !observed.keepalive().expect("a socket") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(observed.tcp_keepalive_time().expect("a socket"), Duration::from_secs(60));
}

/// Fails as an upstream of which this is the last error.
#[derive(Debug)]
struct FailWith(ErrorKind);

impl Connector for FailWith {
    fn connect(&self) -> Connecting<'_> {
        let attempts = vec![(([127, 0, 0, 1], 9).into(), self.0.into())];
        Box::pin(async { Err(ConnectError::Unreachable { target: "test".to_owned(), attempts }) })
    }
}

/// Whether the reset of an upstream arrives while the connection is being opened or later is chance.
#[tokio::test]
async fn an_upstream_that_resets_at_once_is_a_reset_whenever_the_reset_arrives() {
    for (failure, end) in
        [(ErrorKind::ConnectionReset, Err(ErrorKind::ConnectionReset)), (ErrorKind::ConnectionRefused, Ok(0))]
    {
        let mut route = Route::to(FailWith(failure));
        route.on_upstream_failure = OnUpstreamFailure::Close;
        let running = Running::start(Config::default(), route).await;
        let client = net::TcpStream::connect(running.addr).expect("listening");
        client.set_nonblocking(true).expect("open");
        let mut client = TcpStream::from_std(client).expect("in a runtime");
        let got = in_time("the end", client.read(&mut [0; 1])).await;
        assert_eq!(got.map_err(|error| error.kind()), end, "{failure}");
    }
}
