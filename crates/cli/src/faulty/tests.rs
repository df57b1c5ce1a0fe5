use std::sync::atomic::{AtomicU32, Ordering};

use proxy_fault::faults::Refuse;
use proxy_fault::{Effect, Engine, Fault, Settings};
use proxy_relay::{Connected, Connecting, Peer};
use tokio::io::duplex;

use super::*;

/// Counts what it is asked for.
#[derive(Debug, Default)]
struct Upstream(AtomicU32);

impl Connector for Upstream {
    fn connect(&self) -> Connecting<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let (stream, _) = duplex(8);
        Box::pin(async { Ok(Connected::new(Box::new(stream), peer())) })
    }
}

/// Accepts downstreams that ask for the upstream, if there is one.
#[derive(Debug)]
struct Asking(Option<Arc<Upstream>>);

impl Listener for Asking {
    async fn accept(&mut self) -> io::Result<Accepted> {
        let (stream, _) = duplex(8);
        let mut accepted = Accepted::new(Box::new(stream), peer());
        accepted.connector = self.0.clone().map(|upstream| upstream as Arc<dyn Connector>);
        Ok(accepted)
    }
}

fn peer() -> Peer {
    Peer::Name("test".into())
}

fn around(inner: Asking, faults: Vec<Fault>) -> FaultAsked<Asking> {
    let faults = Engine::new(Settings::default()).proxy("test", faults);
    FaultAsked { inner, faults }
}

#[tokio::test]
async fn a_refused_downstream_reaches_nothing() {
    let upstream = Arc::new(Upstream::default());
    let mut listener =
        around(Asking(Some(Arc::clone(&upstream))), vec![Fault::new("refuse", Effect::from(Refuse))]);
    let connector = listener.accept().await.unwrap().connector.expect("the downstream asks");
    let refused = connector.connect().await.unwrap_err();
    assert!(refused.to_string().contains("by the fault `refuse`"), "{refused}");
    assert_eq!(upstream.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn without_a_fault_each_reaches_what_it_asked_for() {
    let upstream = Arc::new(Upstream::default());
    let mut listener = around(Asking(Some(Arc::clone(&upstream))), Vec::new());
    let connector = listener.accept().await.unwrap().connector.expect("the downstream asks");
    connector.connect().await.unwrap();
    assert_eq!(upstream.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_asks_for_nothing_is_left_alone() {
    let mut listener = around(Asking(None), vec![Fault::new("refuse", Effect::from(Refuse))]);
    assert!(listener.accept().await.unwrap().connector.is_none());
}

/// Hands a connection out, once.
#[derive(Debug)]
struct Once(std::sync::Mutex<Option<TcpStream>>);

impl Connector for Once {
    fn connect(&self) -> Connecting<'_> {
        let stream = self.0.lock().unwrap().take().expect("asked for once");
        Box::pin(async { Ok(Connected::new(Box::new(stream), peer())) })
    }
}

#[tokio::test]
async fn connections_with_faults_set_the_options_of_their_sockets() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = || {
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let socket = socket2::Socket::from(stream.try_clone().unwrap());
        (TcpStream::from_std(stream).unwrap(), socket)
    };
    let ((upstream, upstream_socket), (downstream, downstream_socket)) = (stream(), stream());
    let faults = Engine::new(Settings::default()).proxy("test", Vec::new());
    let inner = Arc::new(Once(std::sync::Mutex::new(Some(upstream))));
    let connector = FaultConnector { inner, faults };
    let Connected { stream: upstream, around_downstream, .. } = connector.connect().await.unwrap();
    let wrap = around_downstream.expect("faults act on both connections");
    for (mut stream, socket) in [(upstream, upstream_socket), (wrap(Box::new(downstream)), downstream_socket)]
    {
        assert!(!socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap());
        stream.set_nodelay();
        stream.settle();
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        stream.abort();
        assert_eq!(socket.linger().unwrap(), Some(std::time::Duration::ZERO));
    }
}
