use std::time::Duration;

use async_nats::Event;
use bytes::Bytes;
use futures_util::StreamExt as _;
use testkit::NatsServer;
use tokio::time::timeout;

use super::{Link, NatsOptions, Status};

const LONG: Duration = Duration::from_secs(60);

async fn connected(server: &NatsServer) -> Link {
    Link::connect(&NatsOptions::new([server.url()], "link test")).await.unwrap()
}

#[tokio::test]
async fn after_settling_the_last_message_has_left() {
    const MESSAGES: usize = 500;
    let server = NatsServer::start();
    let reader = async_nats::connect(server.url()).await.unwrap();
    let mut messages = reader.subscribe("tail").await.unwrap();
    reader.request("nobody", Bytes::new()).await.unwrap_err(); // the server has the subscription by now
    let link = connected(&server).await;
    let payload = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..MESSAGES {
        link.client().publish("tail", payload.clone()).await.unwrap();
    }
    assert!(link.settle("nobody".into(), "back".into(), LONG).await);
    link.close().await;
    for number in 0..MESSAGES {
        let message = timeout(LONG, messages.next()).await.unwrap_or_else(|_| panic!("only {number} came"));
        assert_eq!(message.unwrap().payload.len(), payload.len());
    }
}

/// As when 128 events wait and async-nats drops the next.
#[tokio::test]
async fn a_lost_event_is_made_good_by_any_other() {
    let server = NatsServer::start();
    let link = connected(&server).await;
    let status = link.status();
    let up = Status { is_up: true, connects: 1 };
    assert_eq!(*status.borrow(), up);
    link.shared.observer.see(&Event::Disconnected);
    assert_eq!(*status.borrow(), Status { is_up: false, connects: 1 });
    assert!(!link.is_up());
    link.shared.observer.see(&Event::SlowConsumer(1));
    assert_eq!(*status.borrow(), up);
    assert!(link.is_up());
}
