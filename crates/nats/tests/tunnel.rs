//! Tunnels in the test's own process, over a real nats-server.

mod support;

use fault_proxy_nats::{Encoding, Target};
use futures_util::StreamExt;
use support::{Tunnel, connect, in_time};
use testkit::{NatsServer, TcpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bytes_go_there_and_back_and_a_half_close_too() {
    for encodings in [vec![Encoding::Binary, Encoding::Json], vec![Encoding::Json]] {
        let (nats, upstream) = (NatsServer::start(), TcpServer::reply_after_eof());
        let tunnel = Tunnel::to_with(&nats, upstream.addr(), &encodings).await;
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

#[tokio::test]
async fn what_is_no_message_of_a_session_is_dropped_and_the_session_goes_on() {
    for encodings in [vec![Encoding::Binary], vec![Encoding::Json]] {
        let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
        let tunnel = Tunnel::to_with(&nats, upstream.addr(), &encodings).await;
        let stranger = connect(&nats).await;
        let mut seen = stranger.subscribe("p.data.to_server.*").await.expect("subscribed");
        stranger.flush().await.expect("connected");
        let mut client = TcpStream::connect(tunnel.addr).await.expect("listening");
        round_trip(&mut client, b"before").await;
        let frame = in_time("a frame", seen.next()).await.expect("subscribed");
        let foreign = br#"{"ID":"other","Reply":"","Data":"eA==","Metadata":{"seq":"6","ack":"0","got":"0","limit":"9"}}"#;
        let long = vec![0; 1 << 20];
        // The last is one that was here already.
        for payload in [&b""[..], b"\xB1", b"\xB1\xFF rubbish", b"{}", foreign, &long, &frame.payload] {
            stranger.publish(frame.subject.clone(), payload.to_vec().into()).await.expect("connected");
        }
        stranger.publish("proxy.request", "rubbish".into()).await.expect("connected");
        stranger.publish_with_reply("proxy.request", "nowhere", "rubbish".into()).await.expect("connected");
        stranger.flush().await.expect("connected");
        for _ in 0..20 {
            round_trip(&mut client, b"after").await;
        }
        let mut another = TcpStream::connect(tunnel.addr).await.expect("listening");
        round_trip(&mut another, b"and another").await;
        drop((client, another));
        tunnel.end().await;
    }
}

async fn round_trip(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).await.expect("open");
    let mut echo = vec![0; message.len()];
    in_time("the echo", stream.read_exact(&mut echo)).await.expect("open");
    assert_eq!(echo, message);
}
