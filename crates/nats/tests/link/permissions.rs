//! The configuration in `docs/nats-security.md` works as described.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, StatusCode, Subscriber};
use bytes::Bytes;
use fault_proxy_nats::NatsConnection;
use futures_util::StreamExt as _;
use testkit::{NatsServer, nats_servers};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{LONG, options, user};

const QUEUE: &str = "nats-proxy-server";

/// The blocks marked `nats`, in order.
fn blocks() -> Vec<&'static str> {
    let document = include_str!("../../../../docs/nats-security.md");
    document
        .split("```nats\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a block has an end"))
        .collect()
}

/// A client, and what the server complains of.
struct Peer {
    client: Client,
    complaints: mpsc::Receiver<String>,
}

impl Peer {
    async fn new(server: &NatsServer, role: &str, inbox_prefix: &str) -> Self {
        let (sender, complaints) = mpsc::channel(64);
        let (name, password) = match role {
            "client" | "server" => (format!("proxy-{role}"), format!("change-me-{role}")),
            _ => (role.to_owned(), format!("change-me-{role}")),
        };
        let client = ConnectOptions::with_user_and_password(name, password)
            .custom_inbox_prefix(inbox_prefix)
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        sender.send(error.to_string()).await.ok();
                    }
                }
            })
            .connect(server.url())
            .await
            .expect("the block has this user");
        Self { client, complaints }
    }

    async fn subscribe(&self, subject: &str) -> Subscriber {
        self.client.subscribe(subject.to_owned()).await.expect("the client lives")
    }

    async fn queue(&self, subject: &str) -> Subscriber {
        self.client.queue_subscribe(subject.to_owned(), QUEUE.to_owned()).await.expect("the client lives")
    }

    async fn publish(&self, subject: &str) {
        self.client.publish(subject.to_owned(), "bytes".into()).await.expect("the client lives");
    }

    /// The server refuses the last operation, whose subject this is.
    async fn is_refused(&mut self, subject: &str) {
        let complaint = timeout(LONG, self.complaints.recv())
            .await
            .expect("the server refuses it")
            .expect("the client lives");
        assert!(complaint.contains("ermissions") && complaint.contains(subject), "{subject}: {complaint}");
    }

    /// After all that this peer has sent was taken: no complaint of any of it.
    async fn was_allowed(&mut self, to: &str, back: &str) {
        let mut answers = self.subscribe(back).await;
        self.client
            .publish_with_reply(to.to_owned(), back.to_owned(), Bytes::new())
            .await
            .expect("the client lives");
        let answer = timeout(LONG, answers.next()).await.expect("nobody is there").expect("the client lives");
        assert_eq!(answer.status, Some(StatusCode::NO_RESPONDERS));
        assert!(self.complaints.try_recv().is_err());
    }
}

async fn received(subscriber: &mut Subscriber) -> async_nats::Message {
    timeout(LONG, subscriber.next()).await.expect("it arrives").expect("the client lives")
}

/// A subscription to all that a peer may read, in effect.
async fn everything(peer: &Peer) -> Subscriber {
    let mut everything = peer.subscribe(">").await;
    peer.publish("now").await;
    assert_eq!(&*received(&mut everything).await.subject, "now");
    everything
}

/// A request, its reply, and data both ways.
async fn a_tunnel_works(server: &NatsServer, inbox_prefix: &str) {
    let mut near = Peer::new(server, "client", inbox_prefix).await;
    let mut far = Peer::new(server, "server", inbox_prefix).await;
    for subject in ["proxy.request", "proxy.service.redis"] {
        let mut requests = far.queue(subject).await;
        let mut to_server = far.subscribe("p.data.to_server.ID").await;
        far.was_allowed("p.data.to_client.none", "p.data.to_server.none").await;
        let request = near.client.request(subject, Bytes::new());
        let (reply, ()) = tokio::join!(request, async {
            let request = received(&mut requests).await;
            far.client
                .publish(request.reply.expect("it is a request"), "ID".into())
                .await
                .expect("the client lives");
        });
        assert_eq!(reply.expect("the server answers").payload, "ID");
        let mut to_client = near.subscribe("p.data.to_client.ID").await;
        near.was_allowed("p.data.to_server.none", "p.data.to_client.none").await;
        near.publish("p.data.to_server.ID").await;
        assert_eq!(received(&mut to_server).await.payload, "bytes");
        far.publish("p.data.to_client.ID").await;
        assert_eq!(received(&mut to_client).await.payload, "bytes");
    }
    assert!(near.complaints.try_recv().is_err() && far.complaints.try_recv().is_err());
}

/// The link itself gets by with each role's permissions.
async fn links_work(server: &NatsServer, inbox_prefix: &str) {
    for (role, to, back) in [
        ("client", "p.data.to_server.none", "p.data.to_client.none"),
        ("server", "p.data.to_client.none", "p.data.to_server.none"),
    ] {
        let credential = user(&format!("proxy-{role}"), &format!("change-me-{role}"));
        let mut options = options(&server.url(), credential);
        options.inbox_prefix = inbox_prefix.into();
        let link = NatsConnection::connect(&options).await.expect("the block has this user");
        assert!(link.flush_confirmed(to.into(), back.into(), LONG).await, "{role}");
        assert!(
            !link.flush_confirmed("orders".into(), back.into(), Duration::from_millis(200)).await,
            "{role}"
        );
    }
}

#[tokio::test]
async fn the_block_for_one_account() {
    let inbox = "_INBOX_nats_proxy";
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, blocks()[0]);
        a_tunnel_works(&server, inbox).await;
        links_work(&server, inbox).await;
        each_role_keeps_to_its_part(&server, inbox).await;
        others_neither_read_nor_inject(&server, inbox).await;
    }
}

async fn each_role_keeps_to_its_part(server: &NatsServer, inbox: &str) {
    let mut near = Peer::new(server, "client", inbox).await;
    for subject in ["proxy.request", "p.data.to_server.ID", "p.data.>", "_INBOX.>", ">"] {
        let _subscriber = near.subscribe(subject).await;
        near.is_refused(subject).await;
    }
    for subject in ["p.data.to_client.ID", "_INBOX_nats_proxy.x", "orders"] {
        near.publish(subject).await;
        near.is_refused(subject).await;
    }
    let mut far = Peer::new(server, "server", inbox).await;
    for subject in ["proxy.request", "p.data.to_client.ID", "_INBOX_nats_proxy.>", ">"] {
        let _subscriber = far.subscribe(subject).await;
        far.is_refused(subject).await;
    }
    for subject in ["proxy.request", "p.data.to_server.ID", "orders"] {
        far.publish(subject).await;
        far.is_refused(subject).await;
    }
}

async fn others_neither_read_nor_inject(server: &NatsServer, inbox: &str) {
    let near = Peer::new(server, "client", inbox).await;
    let mut far = Peer::new(server, "server", inbox).await;
    let mut other = Peer::new(server, "other", "_INBOX").await;
    for subject in ["proxy.>", "p.data.>", "p.data.to_client.*", "proxy.request", "_INBOX_nats_proxy.>"] {
        let _subscriber = other.subscribe(subject).await;
        other.is_refused(subject).await;
    }
    other.was_allowed("nobody", "_INBOX.own").await;
    let mut everything = everything(&other).await;
    let mut inbound = near.subscribe("p.data.to_client.ID").await;
    near.client.request("p.data.to_server.none", Bytes::new()).await.expect_err("nobody is there");
    for subject in ["p.data.to_client.ID", "p.data.to_server.ID", "proxy.request", "_INBOX_nats_proxy.x"] {
        other.publish(subject).await;
        other.is_refused(subject).await;
    }
    far.publish("p.data.to_client.ID").await;
    far.was_allowed("p.data.to_client.none", "p.data.to_server.none").await;
    let first = received(&mut inbound).await;
    assert_eq!(first.payload, "bytes");
    assert!(timeout(Duration::from_millis(100), inbound.next()).await.is_err(), "there is but one message");
    other.publish("orders").await;
    assert_eq!(&*received(&mut everything).await.subject, "orders", "nothing of the tunnel came before");
}

#[tokio::test]
async fn the_block_with_accounts() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, blocks()[1]);
        a_tunnel_works(&server, "_INBOX").await;
        links_work(&server, "_INBOX").await;
        let near = Peer::new(&server, "client", "_INBOX").await;
        let far = Peer::new(&server, "server", "_INBOX").await;
        let other = Peer::new(&server, "other", "_INBOX").await;
        let mut everything = everything(&other).await;
        let mut inbound = near.subscribe("p.data.to_client.ID").await;
        near.client.request("p.data.to_server.none", Bytes::new()).await.expect_err("nobody is there");
        other.publish("proxy.request").await;
        assert_eq!(&*received(&mut everything).await.subject, "proxy.request");
        other.client.publish("p.data.to_client.ID", "forged".into()).await.expect("the client lives");
        assert_eq!(received(&mut everything).await.payload, "forged");
        far.publish("p.data.to_client.ID").await;
        assert_eq!(received(&mut inbound).await.payload, "bytes", "nothing else came before");
        other.publish("orders").await;
        assert_eq!(&*received(&mut everything).await.subject, "orders", "nothing of the tunnel came before");
    }
}
