//! Both ends of tunnels.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use fault_proxy_nats::{Config, Encoding, NatsConnection, NatsOptions, Target, Tunnels};
use fault_proxy_relay::{Connector, Relay, Route, Shutdown, TcpAcceptor, TcpConnector};
use testkit::NatsServer;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Long enough for the busiest machine; reached only when a test fails.
pub const FOREVER: Duration = Duration::from_secs(60);

pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(FOREVER, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A client's listener, NATS, a server that dials.
pub struct Tunnel {
    pub addr: SocketAddr,
    pub client: Tunnels,
    pub server: Tunnels,
    shutdown: Shutdown,
    relays: TaskTracker,
}

impl Tunnel {
    pub async fn to(nats: &NatsServer, target: SocketAddr) -> Self {
        Self::to_with(nats, target, &[Encoding::Binary, Encoding::Json]).await
    }

    pub async fn to_with(nats: &NatsServer, target: SocketAddr, encodings: &[Encoding]) -> Self {
        let target = Target::Host { host: target.ip().to_string(), port: target.port() };
        Self::open(nats, target, encodings).await
    }

    pub async fn open(nats: &NatsServer, target: Target, encodings: &[Encoding]) -> Self {
        let tunnel = Self::client_only(nats, target, encodings).await;
        let requests = tunnel.server.listen(&[], dial).await.expect("subscribed");
        let (relay, handle) = (Relay::new(Default::default()), tunnel.shutdown.clone());
        tunnel.relays.spawn(async move { relay.run(requests, Route::from_accepted(), &handle).await });
        tunnel
    }

    /// Another program is the server.
    pub async fn client_only(nats: &NatsServer, target: Target, encodings: &[Encoding]) -> Self {
        let (client, server) = (tunnels(nats, encodings).await, tunnels(nats, encodings).await);
        let (relays, shutdown) = (TaskTracker::new(), Shutdown::new());
        let acceptor = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = acceptor.local_addr().expect("bound");
        let acceptor = TcpAcceptor::new(acceptor).expect("a socket");
        let route = Route::to(client.connector(target));
        let (relay, handle) = (Relay::new(Default::default()), shutdown.clone());
        relays.spawn(async move { relay.run(acceptor, route, &handle).await });
        Self { addr, client, server, shutdown, relays }
    }

    /// Drains, and waits until nothing is left.
    pub async fn end(self) {
        self.shutdown.drain();
        self.relays.close();
        in_time("the relays", self.relays.wait()).await;
        in_time("the client's sessions", self.client.closed()).await;
        in_time("the server's sessions", self.server.closed()).await;
    }
}

/// A NATS connection of another program.
pub async fn connect(nats: &NatsServer) -> Client {
    async_nats::connect(nats.url()).await.expect("nats-server runs")
}

fn dial(target: &Target) -> Result<Arc<dyn Connector>, String> {
    match target {
        Target::Host { host, port } => Ok(Arc::new(TcpConnector::new(host.as_str(), *port))),
        Target::Service(name) => Err(format!("no service {name}")),
    }
}

pub async fn tunnels(nats: &NatsServer, encodings: &[Encoding]) -> Tunnels {
    let url = nats.url().parse().expect("it is a URL");
    let link = NatsConnection::connect(&NatsOptions::new([url], "test")).await.expect("nats-server runs");
    let mut config = Config::default();
    config.encodings = encodings.to_vec();
    Tunnels::new(link, config, [7; 32])
}
