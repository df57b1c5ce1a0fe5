//! Layers: before the dial, and around both connections.

mod support;

use std::io::ErrorKind;
use std::net;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_relay::{
    CloseReason, Config, ConnectError, Connected, Connecting, Connector, Layer, Legs, Peer, Route,
};
use support::{Asking, Running, in_time};
use testkit::abort;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The steps of sessions, in the order in which they happened.
#[derive(Debug, Clone, Default)]
struct Steps(Arc<Mutex<Vec<&'static str>>>);

impl Steps {
    fn add(&self, step: &'static str) {
        self.0.lock().expect("not poisoned").push(step);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Refuses its sessions, or keeps them waiting until it is notified, and replaces their connections.
#[derive(Debug)]
struct TestLayer {
    steps: Steps,
    refuses: bool,
    dial: Arc<Notify>,
    replacement: Mutex<Option<Legs>>,
}

#[derive(Debug)]
struct TestSession {
    steps: Steps,
    /// True once the relay has passed the connect time.
    is_dialed: bool,
    replacement: Option<Legs>,
}

impl Drop for TestSession {
    fn drop(&mut self) {
        if !self.is_dialed {
            self.steps.add("drop");
        }
    }
}

impl TestLayer {
    fn new(steps: &Steps) -> Self {
        let dial = Arc::new(Notify::new());
        dial.notify_one();
        Self { steps: steps.clone(), refuses: false, dial, replacement: Mutex::default() }
    }
}

impl Layer for TestLayer {
    type Session = TestSession;

    async fn before_dial(&self) -> Result<TestSession, ConnectError> {
        self.steps.add("before_dial");
        let replacement = self.replacement.lock().expect("not poisoned").take();
        let session = TestSession { steps: self.steps.clone(), is_dialed: false, replacement };
        if self.refuses {
            return Err(ConnectError::Refused("test".to_owned()));
        }
        self.dial.notified().await;
        Ok(session)
    }

    fn wrap(mut session: TestSession, connect_time: Duration, legs: Legs) -> Legs {
        session.is_dialed = true;
        session.steps.add(if connect_time >= DIAL_TIME { "wrap" } else { "wrap too early" });
        session.replacement.take().unwrap_or(legs)
    }
}

const DIAL_TIME: Duration = Duration::from_millis(20);

/// Connects to a stream without a reader, or fails, after [`DIAL_TIME`].
#[derive(Debug)]
struct Upstream {
    steps: Steps,
    is_up: bool,
}

impl Connector for Upstream {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            self.steps.add("dial");
            tokio::time::sleep(DIAL_TIME).await;
            if !self.is_up {
                return Err(ConnectError::Resolve {
                    host: "test".into(),
                    source: ErrorKind::NotFound.into(),
                });
            }
            Ok(Connected::new(Box::new(duplex(1).0), Peer::Name("test".into())))
        })
    }
}

#[tokio::test]
async fn a_layer_acts_before_the_dial_and_returns_the_connections_that_are_relayed() {
    let steps = Steps::default();
    let (mut client, downstream) = duplex(64);
    let (mut server, upstream) = duplex(64);
    let mut layer = TestLayer::new(&steps);
    layer.dial = Arc::new(Notify::new());
    layer.replacement =
        Mutex::new(Some(Legs { downstream: Box::new(downstream), upstream: Box::new(upstream) }));
    let dial = Arc::clone(&layer.dial);
    let route = Route::to(Upstream { steps: steps.clone(), is_up: true }).through(layer);
    let mut running = Running::start(Config::default(), route).await;
    let _client = TcpStream::connect(running.addr).await.expect("listening");
    while steps.all().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(steps.all(), ["before_dial"]);
    dial.notify_one();
    client.write_all(b"request").await.expect("open");
    in_time("the request", server.read_exact(&mut [0; 7])).await.expect("relayed");
    server.write_all(b"response").await.expect("open");
    in_time("the response", client.read_exact(&mut [0; 8])).await.expect("relayed");
    assert_eq!(steps.all(), ["before_dial", "dial", "wrap"]);
    drop((client, server));
    let summary = running.summary().await;
    assert_eq!((summary.bytes.to_upstream, summary.bytes.to_downstream), (7, 8));
}

#[tokio::test]
async fn a_client_that_a_layer_refuses_is_reset_and_no_upstream_is_dialed() {
    let steps = Steps::default();
    let layer = TestLayer { refuses: true, ..TestLayer::new(&steps) };
    let route = Route::to(Upstream { steps: steps.clone(), is_up: true }).through(layer);
    let mut running = Running::start(Config::default(), route).await;
    let mut client = TcpStream::connect(running.addr).await.expect("listening");
    let read = in_time("the reset", client.read(&mut [0; 1])).await;
    assert_eq!(read.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    let summary = running.summary().await;
    assert_eq!(summary.upstream_end, CloseReason::NotOpened("refused: test".to_owned()));
    assert_eq!(summary.not_opened, Some("not_wanted"));
    assert_eq!(steps.all(), ["before_dial", "drop"]);
}

#[tokio::test]
async fn connections_are_not_wrapped_if_the_upstream_cannot_be_reached() {
    let steps = Steps::default();
    let route = Route::to(Upstream { steps: steps.clone(), is_up: false }).through(TestLayer::new(&steps));
    let mut running = Running::start(Config::default(), route).await;
    let _client = TcpStream::connect(running.addr).await.expect("listening");
    assert_eq!(running.summary().await.not_opened, Some("resolve"));
    assert_eq!(steps.all(), ["before_dial", "dial", "drop"]);
}

#[tokio::test]
async fn a_client_that_leaves_while_a_layer_waits_ends_its_session() {
    let steps = Steps::default();
    let layer = TestLayer { dial: Arc::default(), ..TestLayer::new(&steps) };
    let route = Route::to(Upstream { steps: steps.clone(), is_up: true }).through(layer);
    let mut running = Running::start(Config::default(), route).await;
    abort(net::TcpStream::connect(running.addr).expect("listening"));
    assert_eq!(running.summary().await.downstream_end, CloseReason::Aborted);
    assert_eq!(steps.all(), ["before_dial", "drop"]);
}

/// Its only downstream asks for `connector`; the layer refuses it.
fn ask(connector: Option<Arc<dyn Connector>>, steps: &Steps) -> (Running, DuplexStream) {
    let (listener, client) = Asking::to(connector);
    let route = Route::from_accepted().through(TestLayer { refuses: true, ..TestLayer::new(steps) });
    let unused = ([127, 0, 0, 1], 1).into();
    (Running::start_with(Config::default(), listener, route, unused), client)
}

#[tokio::test]
async fn a_layer_acts_on_sessions_that_go_where_their_downstream_asks() {
    let steps = Steps::default();
    let upstream = Upstream { steps: steps.clone(), is_up: true };
    let (mut running, _client) = ask(Some(Arc::new(upstream)), &steps);
    assert_eq!(running.summary().await.not_opened, Some("not_wanted"));
    assert_eq!(steps.all(), ["before_dial", "drop"]);
}

#[tokio::test]
async fn no_layer_acts_on_a_session_without_a_connector() {
    let steps = Steps::default();
    let (mut running, _client) = ask(None, &steps);
    assert_eq!(running.summary().await.not_opened, Some("not_wanted"));
    assert_eq!(steps.all(), Vec::<&str>::new());
}
