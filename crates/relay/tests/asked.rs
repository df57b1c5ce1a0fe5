//! Downstreams that say where they want to go.

mod support;

use std::io;
use std::sync::Arc;

use proxy_relay::{Accepted, Config, Connector, End, Listener, Peer, Route, TcpConnector};
use support::{Running, in_time};
use testkit::FarEnd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Hands out one downstream.
struct Asking(Option<Accepted>);

impl Asking {
    fn to(connector: Option<Arc<dyn Connector>>) -> (Self, DuplexStream) {
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

#[tokio::test]
async fn a_session_goes_where_its_downstream_asks() {
    let (asked, other) = (FarEnd::echo(), FarEnd::reset_on_connect());
    let connector = TcpConnector::new("127.0.0.1", asked.addr().port());
    let (listener, mut client) = Asking::to(Some(Arc::new(connector)));
    let route = Route::to(TcpConnector::new("127.0.0.1", other.addr().port()));
    let _running = Running::start_with(Config::default(), listener, route, asked.addr());
    client.write_all(b"x").await.expect("open");
    in_time("the echo", client.read_exact(&mut [0; 1])).await.expect("echoed");
}

#[tokio::test]
async fn a_downstream_that_asks_for_nothing_where_there_is_no_default_is_turned_away_with_the_reason() {
    let (listener, _client) = Asking::to(None);
    let unused = ([127, 0, 0, 1], 1).into();
    let mut running = Running::start_with(Config::default(), listener, Route::as_asked(), unused);
    let End::NotOpened(reason) = running.summary().await.upstream_end else { panic!("it was opened") };
    assert!(reason.contains("asked for no upstream"), "{reason}");
}
