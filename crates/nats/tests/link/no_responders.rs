use async_nats::{Client, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use testkit::{NatsServer, nats_servers};
use tokio::time::timeout;

use crate::LONG;

/// What the tunnels' probes build on: "no responders" comes to a plain subscription of the one who asks, if that is
/// what the message names for replies.
#[tokio::test]
async fn a_data_subscription_hears_that_nobody_listens() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, "");
        let client = async_nats::connect(server.url()).await.unwrap();
        for subscribed in ["p.data.to_client.0011223344556677", "p.data.to_client.*"] {
            let mut inbound = client.subscribe(subscribed).await.unwrap();
            probe(&client).await;
            let answer = timeout(LONG, inbound.next()).await.unwrap().unwrap();
            assert_eq!(answer.status, Some(StatusCode::NO_RESPONDERS));
            assert_eq!(&*answer.subject, "p.data.to_client.0011223344556677");
            assert!(answer.payload.is_empty() && answer.reply.is_none());
        }
    }
}

#[tokio::test]
async fn once_somebody_listens_they_hear_the_probe_and_nobody_else_does() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, "");
        let client = async_nats::connect(server.url()).await.unwrap();
        let other = async_nats::connect(server.url()).await.unwrap();
        let mut inbound = client.subscribe("p.data.to_client.*").await.unwrap();
        let mut listening = other.subscribe("p.data.to_server.*").await.unwrap();
        other.request("a.b", Bytes::new()).await.unwrap_err(); // the server has the subscription by now
        probe(&client).await;
        let heard = timeout(LONG, listening.next()).await.unwrap().unwrap();
        assert_eq!(heard.reply.as_deref(), Some("p.data.to_client.0011223344556677"));
        other.publish("p.data.to_client.0011223344556677", "first".into()).await.unwrap();
        let first = timeout(LONG, inbound.next()).await.unwrap().unwrap();
        assert_eq!((first.status, &*first.payload), (None, &b"first"[..]));
    }
}

async fn probe(client: &Client) {
    client
        .publish_with_reply(
            "p.data.to_server.0011223344556677",
            "p.data.to_client.0011223344556677",
            Bytes::new(),
        )
        .await
        .expect("the client lives");
}
