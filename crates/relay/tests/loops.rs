//! Connections that come back to the relay that dialed them.

mod support;

use std::io::ErrorKind;
use std::net::SocketAddr;

use fault_proxy_relay::{Config, LoopDetector, Relay, Resolver, Route, Shutdown, TcpAcceptor, TcpConnector};
use support::in_time;
use testkit::TcpServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

/// Proxies of one program.
struct Program {
    relay: Relay,
    detector: LoopDetector,
    shutdown: Shutdown,
    running: JoinSet<()>,
}

impl Program {
    fn new(max_sessions: usize) -> Self {
        let mut config = Config::default();
        config.max_sessions = max_sessions;
        let (relay, detector) = (Relay::new(config), LoopDetector::default());
        Self { relay, detector, shutdown: Shutdown::new(), running: JoinSet::new() }
    }

    /// A proxy on `listener` before `upstream`.
    fn start(&mut self, listener: TcpListener, upstream: SocketAddr) {
        let at = listener.local_addr().expect("bound");
        let proxy = self.detector.proxy(at.to_string(), at.port());
        // As where the address of a name has changed since the start.
        let resolver = Resolver::with_lookup(move |_| Ok(vec![upstream]));
        let connector =
            TcpConnector::with_resolver(resolver, "name", upstream.port()).for_proxy(proxy.clone());
        let relay = self.relay.clone().as_one_listener().for_proxy(proxy);
        let acceptor = TcpAcceptor::new(listener).expect("a socket");
        let shutdown = self.shutdown.clone();
        self.running.spawn(async move { relay.run(acceptor, Route::to(connector), &shutdown).await });
    }

    /// A client of a loop loses its connection, and nothing is left of the loop.
    async fn assert_loop_ends(&self, at: SocketAddr) {
        match TcpStream::connect(at).await {
            Ok(mut client) => {
                client.write_all(b"x").await.ok();
                let end = in_time("the end of the loop", client.read(&mut [0; 1])).await;
                assert!(!matches!(end, Ok(1)), "nobody answers");
            }
            // The loop can end before the runtime sees that the connection was accepted.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        in_time("the end of all sessions", async {
            while self.relay.active_sessions() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

async fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

async fn is_echoed(at: SocketAddr) {
    let mut client = TcpStream::connect(at).await.expect("listening");
    client.write_all(b"x").await.expect("open");
    in_time("the echo", client.read_exact(&mut [0; 1])).await.expect("echoed");
}

#[tokio::test]
async fn a_proxy_that_connects_to_itself_ends_the_connection() {
    // With one place the second connection of the loop waits for the end of the first.
    for max_sessions in [1, 2, 100] {
        let mut program = Program::new(max_sessions);
        let (listener, at) = bound().await;
        program.start(listener, at);
        for _ in 0..3 {
            program.assert_loop_ends(at).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_that_connect_to_each_other_end_the_connection_and_others_are_served() {
    let echo = TcpServer::echo();
    // With one place the connection to the second proxy is given up after a while.
    for (max_sessions, rounds) in [(1, 1), (3, 3), (100, 3)] {
        let mut program = Program::new(max_sessions);
        let [(one, one_at), (other, other_at), (good, good_at)] =
            [bound().await, bound().await, bound().await];
        program.start(one, other_at);
        program.start(other, one_at);
        program.start(good, echo.addr());
        for at in [one_at, other_at, one_at].into_iter().take(rounds) {
            program.assert_loop_ends(at).await;
            is_echoed(good_at).await;
        }
    }
}

#[tokio::test]
async fn a_chain_of_proxies_relays() {
    let echo = TcpServer::echo();
    let mut program = Program::new(100);
    let [(first, first_at), (second, second_at), (third, third_at)] =
        [bound().await, bound().await, bound().await];
    program.start(first, second_at);
    program.start(second, third_at);
    program.start(third, echo.addr());
    let clients: Vec<_> = (0..10).map(|_| is_echoed(first_at)).collect();
    futures_util::future::join_all(clients).await;
}
