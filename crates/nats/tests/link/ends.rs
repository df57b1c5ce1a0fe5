//! Both ends of tunnels over real NATS servers.

use std::net::SocketAddr;
use std::sync::Arc;

use fault_proxy_nats::{Config, Encoding, NatsConnect, NatsConnection, NatsOptions, Target, Tunnels};
use fault_proxy_relay::{Connector, Relay, Route, Shutdown, TcpConnector};
use testkit::TcpServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::select;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::LONG;

pub(crate) const LENGTH: usize = 2 << 20;

/// Both ends of tunnels, each with its own NATS connection.
pub(crate) struct Ends {
    pub(crate) links: [NatsConnection; 2],
    pub(crate) client: Tunnels,
    pub(crate) server: Tunnels,
    shutdown: Shutdown,
    relays: TaskTracker,
}

impl Ends {
    pub(crate) async fn start(of_server: &NatsOptions, of_client: &NatsOptions, encoding: Encoding) -> Self {
        let (server, server_link) = tunnels(of_server, encoding).await;
        let (client, client_link) = tunnels(of_client, encoding).await;
        let dial = |target: &Target| match target {
            Target::Host { host, port } => {
                Ok(Arc::new(TcpConnector::new(host.as_str(), *port)) as Arc<dyn Connector>)
            }
            Target::Service(name) => Err(format!("no service {name}")),
        };
        let requests = server.listen(&[], dial).await.expect("subscribed");
        let (relays, shutdown) = (TaskTracker::new(), Shutdown::new());
        let handle = shutdown.clone();
        relays.spawn(async move {
            Relay::new(Default::default()).run(requests, Route::from_accepted(), &handle).await
        });
        Self { links: [server_link, client_link], client, server, shutdown, relays }
    }

    /// Lets both ends learn their limits again while `steps` run.
    pub(crate) async fn watched<T>(&self, steps: impl Future<Output = T>) -> T {
        select! {
            done = steps => done,
            never = self.client.watch_message_limit() => match never {},
            never = self.server.watch_message_limit() => match never {},
        }
    }

    pub(crate) fn to(&self, target: SocketAddr) -> NatsConnect {
        self.client.connector(Target::Host { host: target.ip().to_string(), port: target.port() })
    }

    /// Connections to NATS of both ends so far.
    pub(crate) fn connects(&self) -> u64 {
        self.links.iter().map(|link| link.status().borrow().connects).sum()
    }

    /// Returns how often the ends connected to NATS.
    pub(crate) async fn end(self) -> u64 {
        self.shutdown.abort();
        self.relays.close();
        timeout(LONG, self.relays.wait()).await.expect("in time");
        let connects = self.connects();
        for link in &self.links {
            link.close().await;
        }
        connects
    }
}

pub(crate) async fn tunnels(options: &NatsOptions, encoding: Encoding) -> (Tunnels, NatsConnection) {
    let link = NatsConnection::connect(options).await.expect("nats-server runs");
    let mut config = Config::default();
    config.encodings = vec![encoding];
    (Tunnels::new(link.clone(), config, [7; 32]), link)
}

/// Sends `length` bytes to a target that echoes, and takes them back.
pub(crate) async fn echo(ends: &Ends, length: usize) {
    let upstream = TcpServer::echo();
    let connected = timeout(LONG, ends.to(upstream.addr()).open()).await.expect("in time").expect("it opens");
    let (mut reader, mut writer) = tokio::io::split(connected.stream);
    let sent: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).expect("a byte")).collect();
    let mut echoed = vec![0; length];
    let all = async {
        tokio::join!(async { writer.write_all(&sent).await.expect("it is open") }, async {
            reader.read_exact(&mut echoed).await.expect("it is open")
        },)
    };
    timeout(LONG, all).await.expect("in time");
    assert!(echoed == sent, "other bytes came back");
}

/// Returns the connections to NATS of both ends of a session that carries bytes in both directions.
pub(crate) async fn connects(of_server: &NatsOptions, of_client: &NatsOptions, encoding: Encoding) -> u64 {
    let ends = Ends::start(of_server, of_client, encoding).await;
    echo(&ends, LENGTH).await;
    ends.end().await
}
