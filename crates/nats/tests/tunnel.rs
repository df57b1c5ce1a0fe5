//! Tunnels in the test's own process, over a real nats-server.

mod support;

use proxy_nats::{Encoding, Target};
use support::{Tunnel, in_time};
use testkit::{FarEnd, NatsServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bytes_go_there_and_back_and_a_half_close_too() {
    for encodings in [vec![Encoding::Binary, Encoding::Json], vec![Encoding::Json]] {
        let (nats, far_end) = (NatsServer::start(), FarEnd::reply_after_eof());
        let tunnel = Tunnel::to_with(&nats, far_end.addr(), &encodings).await;
        let mut client = TcpStream::connect(tunnel.addr).await.expect("listening");
        client.write_all(b"there").await.expect("open");
        client.shutdown().await.expect("open");
        let mut reply = Vec::new();
        in_time("the reply", client.read_to_end(&mut reply)).await.expect("a clean end");
        assert!(!reply.is_empty());
        tunnel.end().await;
    }
}

#[tokio::test]
async fn a_refused_target_is_an_immediate_reset() {
    let nats = NatsServer::start();
    let tunnel = Tunnel::to(&nats, ([127, 0, 0, 1], testkit::free_port()).into()).await;
    let mut client = TcpStream::connect(tunnel.addr).await.expect("listening");
    let error = in_time("the reset", client.read(&mut [0])).await.expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    tunnel.end().await;
}

#[tokio::test]
async fn a_service_that_nobody_offers_is_refused_at_once() {
    let nats = NatsServer::start();
    let tunnel = Tunnel::open(&nats, Target::Service("nope".parse().expect("a name")), &[]).await;
    let mut client = TcpStream::connect(tunnel.addr).await.expect("listening");
    in_time("the reset", client.read(&mut [0])).await.expect_err("refused");
    tunnel.end().await;
}
