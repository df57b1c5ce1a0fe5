//! Targets with several addresses, and clients that wait for a shorter time than the server's dial takes.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_nats::{Config, NatsConnection, NatsOptions, Target, Tunnels};
use fault_proxy_relay::{Connector, Relay, Resolver, Route, Shutdown, TcpConnector, error_chain};
use support::in_time;
use testkit::{NatsServer, TcpServer, free_port};
use tokio::net::{TcpSocket, TcpStream};

/// Returns a listener whose system drops what is sent to it, because its backlog is full, with the clients that fill
/// it.
async fn dead(port: u16) -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::new(127, 0, 0, 8), port).into()).expect("a free port");
    let listener = socket.listen(0).expect("bound");
    let addr = listener.local_addr().expect("bound");
    let first = TcpStream::connect(addr).await.expect("the backlog has room for one");
    (addr, (listener, first))
}

/// Opens a session to a name with these addresses, for a client that waits for 4 s. The server would dial for 10 s.
async fn open(addresses: Vec<SocketAddr>) -> Result<(), String> {
    let nats = NatsServer::start();
    let server = support::tunnels(&nats, &[]).await;
    let port = addresses[0].port();
    let resolver = Resolver::with_lookup(move |_| Ok(addresses.clone()));
    let dial = move |_: &Target| -> Result<Arc<dyn Connector>, String> {
        Ok(Arc::new(TcpConnector::with_resolver(resolver.clone(), "name", port)))
    };
    let requests = server.listen(&[], dial).await.expect("subscribed");
    let (relay, shutdown) = (Relay::new(Default::default()), Shutdown::new());
    let mut config = Config::default();
    config.open_timeout = Duration::from_secs(4);
    let options = NatsOptions::new([nats.url().parse().expect("a URL")], "test");
    let client = Tunnels::new(NatsConnection::connect(&options).await.expect("connected"), config, [1; 32]);
    let connector = client.connector(Target::Host { host: "name".into(), port });
    tokio::select! {
        _ = relay.run(requests, Route::from_accepted(), &shutdown) => panic!("the server has ended"),
        opened = in_time("the reply", connector.open()) => opened.map(drop).map_err(|error| error_chain(&error)),
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_short_time_gets_the_error_of_each_address() {
    let port = free_port();
    let (dead, _backlog) = dead(port).await;
    let refused = SocketAddr::from(([127, 0, 0, 9], port));
    let error = open(vec![dead, refused]).await.expect_err("no address accepts");
    for expected in [format!("{refused}: Connection refused"), format!("{dead}: no answer")] {
        assert!(error.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_dead_address_leaves_time_for_a_live_one() {
    let live = TcpServer::echo();
    let (dead, _backlog) = dead(live.addr().port()).await;
    open(vec![dead, live.addr()]).await.expect("the second address accepts");
}
