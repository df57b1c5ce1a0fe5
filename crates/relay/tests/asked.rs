//! Downstreams that request their upstream.

mod support;

use std::sync::Arc;

use fault_proxy_relay::{CloseReason, Config, Route, TcpConnector};
use support::{Asking, Running, in_time};
use testkit::TcpServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_session_goes_where_its_downstream_asks() {
    let (asked, other) = (TcpServer::echo(), TcpServer::reset_on_connect());
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
    let mut running = Running::start_with(Config::default(), listener, Route::from_accepted(), unused);
    let CloseReason::NotOpened(reason) = running.summary().await.upstream_end else {
        panic!("it was opened")
    };
    assert!(reason.contains("did not request an upstream"), "{reason}");
}
