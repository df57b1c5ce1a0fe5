//! Servers of older versions, which do not mark refusals as permanent, next to a server of this version.

mod support;

use futures_util::StreamExt;
use serde_json::json;
use support::{Tunnel, connect, in_time};
use testkit::{NatsServer, TcpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Takes its share of the requests, and refuses them as servers did before refusals had a `server`.
async fn refuse_as_an_old_server(nats: &NatsServer, reason: &str) {
    let client = connect(nats).await;
    let group = "nats-proxy-server".to_owned();
    let mut requests = client.queue_subscribe("proxy.request", group).await.expect("subscribed");
    let data = base64_simd::STANDARD.encode_to_string(reason);
    let refusal = json!({"ID": "", "Reply": "", "Data": data, "Metadata": {"error": "true"}}).to_string();
    while let Some(request) = requests.next().await {
        let reply = request.reply.expect("clients wait for a reply");
        client.publish(reply, refusal.clone().into()).await.expect("connected");
    }
}

#[tokio::test]
async fn an_old_server_that_may_not_reach_the_target_leaves_it_to_another() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let old = refuse_as_an_old_server(&nats, "refused: 127.0.0.1 port 1 is not allowed here");
    let visits = async {
        for _ in 0..50 {
            let mut client = TcpStream::connect(tunnel.addr).await.expect("listening");
            client.write_all(b"x").await.expect("open");
            client.read_exact(&mut [0]).await.expect("echoed");
        }
    };
    tokio::select! {
        () = old => panic!("the subscription ended"),
        () = in_time("the visits", visits) => {}
    }
    tunnel.end().await;
}
