//! Relays in the test's own process.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_relay::{
    Accepted, BoxStream, Config, ConnectError, Connected, Connecting, Connector, Listener, Peer, Relay,
    Route, SessionSummary, SessionTracker, Shutdown, TcpAcceptor,
};
use tokio::io::{DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Long enough for the busiest machine; reached only when a test fails.
pub const FOREVER: Duration = Duration::from_secs(60);

pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(FOREVER, future).await.unwrap_or_else(|_| panic!("{what}: not within {FOREVER:?}"))
}

/// A running relay; its summaries come in the order of the sessions' ends.
pub struct Running {
    pub addr: SocketAddr,
    pub shutdown: Shutdown,
    pub relay: JoinHandle<()>,
    pub live: SessionTracker,
    summaries: mpsc::Receiver<SessionSummary>,
}

impl Running {
    /// On a free port of 127.0.0.1.
    pub async fn start(config: Config, route: Route) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        Self::start_with(config, TcpAcceptor::new(listener).expect("a socket"), route, addr)
    }

    pub fn start_with(config: Config, listener: impl Listener, route: Route, addr: SocketAddr) -> Self {
        let (told, summaries) = mpsc::channel(10_000);
        let live = SessionTracker::new();
        let relay = Relay::new(config)
            .on_session_end(move |summary| told.try_send(summary.clone()).expect("room"))
            .with_tracker(live.clone());
        let shutdown = Shutdown::new();
        let handle = shutdown.clone();
        let relay = TaskTracker::new().spawn(async move { relay.run(listener, route, &handle).await });
        Self { addr, shutdown, relay, live, summaries }
    }

    pub async fn summary(&mut self) -> SessionSummary {
        in_time("a session's summary", self.summaries.recv()).await.expect("the relay runs")
    }
}

/// Hands out prepared downstreams and errors, then waits for ever.
pub struct Prepared(Vec<io::Result<BoxStream>>);

impl Prepared {
    /// In the order of `accepts`.
    pub fn new(mut accepts: Vec<io::Result<BoxStream>>) -> Self {
        accepts.reverse();
        Self(accepts)
    }
}

impl Listener for Prepared {
    async fn accept(&mut self) -> io::Result<Accepted> {
        match self.0.pop() {
            Some(accepted) => accepted.map(|stream| Accepted::new(stream, Peer::Name("test".into()))),
            None => std::future::pending().await,
        }
    }
}

/// Hands out one downstream, which may ask for an upstream, then waits for ever.
pub struct Asking(Option<Accepted>);

impl Asking {
    pub fn to(connector: Option<Arc<dyn Connector>>) -> (Self, DuplexStream) {
        let (client, downstream) = duplex(64);
        let mut accepted = Accepted::new(Box::new(downstream), Peer::Name("test".into()));
        accepted.connector = connector;
        (Self(Some(accepted)), client)
    }
}

impl Listener for Asking {
    async fn accept(&mut self) -> io::Result<Accepted> {
        match self.0.take() {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

/// Connects to one prepared upstream.
#[derive(Debug, Clone)]
pub struct ConnectTo(Arc<Mutex<Option<BoxStream>>>);

impl ConnectTo {
    pub fn new(stream: BoxStream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }
}

impl Connector for ConnectTo {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let stream = self.0.lock().expect("not poisoned").take();
            let stream = stream.ok_or_else(|| ConnectError::Resolve {
                host: "test".into(),
                source: io::ErrorKind::NotFound.into(),
            })?;
            Ok(Connected::new(stream, Peer::Name("test".into())))
        })
    }
}
