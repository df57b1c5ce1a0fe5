use async_nats::Event;
use testkit::NatsServer;

use super::{NatsConnection, NatsOptions, Status};

async fn connected(server: &NatsServer) -> NatsConnection {
    NatsConnection::connect(&NatsOptions::new([server.url().parse().unwrap()], "link test")).await.unwrap()
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
