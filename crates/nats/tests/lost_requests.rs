//! Requests and replies that are lost, repeated, late, or without a client.

mod support;

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use fault_proxy_nats::{Encoding, Target};
use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{FOREVER, Tunnel, connect, in_time};
use testkit::{NatsServer, TcpServer, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const REQUEST: &str = r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
const BOTH: &[Encoding] = &[Encoding::Binary, Encoding::Json];
const INSTANCE: &str = "0123456789abcdef";

/// A request as clients of this version send it, with `more` headers.
fn headers(port: u16, more: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let port = port.to_string();
    let all = [("remote_host", "127.0.0.1"), ("remote_port", &*port), ("proxy-version", "1")];
    for (name, value) in all.iter().chain(&[("proxy-encodings", "binary")]).chain(more) {
        headers.insert(*name, *value);
    }
    headers
}

async fn send(client: &Client, to: &str, inbox: &str, headers: HeaderMap) {
    let (to, inbox) = (to.to_owned(), inbox.to_owned());
    client.publish_with_reply_and_headers(to, inbox, headers, REQUEST.into()).await.expect("connected");
}

async fn next(replies: &mut Subscriber) -> Value {
    let reply = in_time("a reply", replies.next()).await.expect("subscribed");
    serde_json::from_slice(&reply.payload).expect("JSON")
}

async fn reply(client: &Client, request: &Message, data: &str, metadata: Value) {
    let data = base64_simd::STANDARD.encode_to_string(data);
    let reply = json!({"ID": "", "Reply": "", "Data": data, "Metadata": metadata}).to_string();
    let inbox = request.reply.clone().expect("clients wait for a reply");
    client.publish(inbox, reply.into()).await.expect("connected");
}

/// A server that clients reach by hand, and a target that accepts nothing by itself.
struct Served {
    target: TcpListener,
    port: u16,
    client: Client,
    /// The replies to requests with the reply subject `inbox`.
    replies: Subscriber,
    _tunnel: Tunnel,
    _nats: NatsServer,
}

impl Served {
    async fn start() -> Self {
        let nats = NatsServer::start();
        let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = target.local_addr().expect("bound").port();
        let tunnel = Tunnel::to(&nats, ([127, 0, 0, 1], port).into()).await;
        let client = connect(&nats).await;
        let replies = client.subscribe("inbox").await.expect("subscribed");
        Self { target, port, client, replies, _tunnel: tunnel, _nats: nats }
    }
}

fn request_id(request: &Message) -> String {
    let headers = request.headers.as_ref().expect("requests have headers");
    headers.get("proxy-request").expect("requests are numbered").to_string()
}

fn opened() -> Value {
    json!({"version": "1", "encoding": "binary", "window": "65536", "instance": INSTANCE})
}

/// A client, and a bare NATS connection that gets its requests.
async fn client_only(nats: &NatsServer) -> (Tunnel, Client, Subscriber) {
    let target = Target::Host { host: "anywhere".into(), port: 1 };
    let tunnel = Tunnel::client_only(nats, target, BOTH).await;
    let server = connect(nats).await;
    let requests = server.subscribe("proxy.request").await.expect("subscribed");
    server.flush().await.expect("connected");
    (tunnel, server, requests)
}

#[tokio::test]
async fn a_request_that_nobody_answers_is_sent_again_with_the_same_id() {
    let nats = NatsServer::start();
    let (tunnel, server, mut requests) = client_only(&nats).await;
    let _application = TcpStream::connect(tunnel.addr).await.expect("listening");
    let first = in_time("a request", requests.next()).await.expect("subscribed");
    let second = in_time("the request again", requests.next()).await.expect("subscribed");
    assert_eq!(request_id(&first), request_id(&second));
    let (mut winner, mut loser) = (
        server.subscribe("p.data.to_server.winner").await.expect("subscribed"),
        server.subscribe("p.data.to_server.loser").await.expect("subscribed"),
    );
    reply(&server, &first, "winner", opened()).await;
    reply(&server, &second, "loser", opened()).await;
    in_time("the first frame", winner.next()).await.expect("subscribed");
    // The second byte of a frame is its flags; 8 is a reset.
    let frame = in_time("the end of the other session", loser.next()).await.expect("subscribed");
    assert_eq!(frame.payload[1], 8, "{frame:?}");
}

#[tokio::test]
async fn a_reply_with_the_id_of_an_open_session_is_refused() {
    let nats = NatsServer::start();
    let (tunnel, server, mut requests) = client_only(&nats).await;
    let mut frames = server.subscribe("p.data.to_server.same").await.expect("subscribed");
    let _first = TcpStream::connect(tunnel.addr).await.expect("listening");
    reply(&server, &in_time("a request", requests.next()).await.expect("subscribed"), "same", opened()).await;
    in_time("the first frame", frames.next()).await.expect("subscribed");
    let mut second = TcpStream::connect(tunnel.addr).await.expect("listening");
    second.write_all(b"for another target").await.expect("open");
    reply(&server, &in_time("a request", requests.next()).await.expect("subscribed"), "same", opened()).await;
    timeout(Duration::from_secs(20), second.read(&mut [0])).await.expect("not open").expect_err("reset");
    while let Ok(frame) = timeout(Duration::from_millis(200), frames.next()).await {
        let frame = frame.expect("subscribed");
        assert!(!frame.payload.ends_with(b"target"), "{frame:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_with_a_request_leaves_it_to_another() {
    let nats = NatsServer::start();
    let (tunnel, server, mut requests) = client_only(&nats).await;
    let _application = TcpStream::connect(tunnel.addr).await.expect("listening");
    let first = in_time("a request", requests.next()).await.expect("subscribed");
    // No server listens on the subject of this instance.
    reply(&server, &first, "", json!({"pending": "true", "instance": INSTANCE})).await;
    let second = in_time("the request again", requests.next()).await.expect("subscribed");
    assert_eq!(request_id(&first), request_id(&second));
}

#[tokio::test]
async fn servers_of_older_versions_get_each_request_once() {
    let nats = NatsServer::start();
    let (tunnel, server, mut requests) = client_only(&nats).await;
    let mut application = TcpStream::connect(tunnel.addr).await.expect("listening");
    let request = in_time("a request", requests.next()).await.expect("subscribed");
    reply(&server, &request, "it is not there", json!({"error": "true"})).await;
    in_time("the reset", application.read(&mut [0])).await.expect_err("refused");
    let _application = TcpStream::connect(tunnel.addr).await.expect("listening");
    in_time("a request", requests.next()).await.expect("subscribed");
    timeout(Duration::from_secs(3), requests.next()).await.expect_err("no second request");
}

#[tokio::test]
async fn a_repeated_request_is_dialed_once_and_answered_the_same() {
    let Served { target, port, client, mut replies, _tunnel, _nats } = Served::start().await;
    let mut others = client.subscribe("another").await.expect("subscribed");
    let request = || headers(port, &[("proxy-request", "one")]);
    send(&client, "proxy.request", "inbox", request()).await;
    let first = next(&mut replies).await;
    send(&client, "proxy.request", "inbox", request()).await;
    assert_eq!(next(&mut replies).await, first);
    let server = format!("p.data.to_server.{}", first["Metadata"]["instance"].as_str().expect("an instance"));
    send(&client, &server, "inbox", request()).await;
    assert_eq!(next(&mut replies).await, first);
    // The ID of the session is not for others.
    send(&client, "proxy.request", "another", request()).await;
    assert_eq!(next(&mut others).await["Metadata"]["error"], "true");
    send(&client, &server, "another", headers(port, &[("proxy-request", "two")])).await;
    assert_eq!(next(&mut others).await["Metadata"]["retry"], "true");
    in_time("the dial", target.accept()).await.expect("dialed");
    timeout(Duration::from_millis(200), target.accept()).await.expect_err("dialed once");
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let nats = NatsServer::start();
    let (upstream, port) = (TcpServer::echo(), free_port());
    let _tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let client = connect(&nats).await;
    let mut replies = client.subscribe("inbox").await.expect("subscribed");
    let request = || headers(port, &[("proxy-request", "one")]);
    send(&client, "proxy.request", "inbox", request()).await;
    let first = next(&mut replies).await;
    assert_eq!(first["Metadata"], json!({"error": "true", "instance": first["Metadata"]["instance"]}));
    let _listening = TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    send(&client, "proxy.request", "inbox", request()).await;
    assert_eq!(next(&mut replies).await, first);
}

#[tokio::test]
async fn a_request_with_a_long_reply_subject_is_dropped() {
    let Served { target, port, client, mut replies, _tunnel, _nats } = Served::start().await;
    let long = "x".repeat(257);
    let mut to_long = client.subscribe(long.clone()).await.expect("subscribed");
    send(&client, "proxy.request", &long, headers(port, &[("proxy-request", "one")])).await;
    send(&client, "proxy.request", "inbox", headers(port, &[("proxy-request", "two")])).await;
    next(&mut replies).await;
    timeout(Duration::from_millis(200), to_long.next()).await.expect_err("no reply");
    in_time("the dial", target.accept()).await.expect("dialed");
    timeout(Duration::from_millis(200), target.accept()).await.expect_err("dialed once");
}

#[tokio::test]
async fn a_request_whose_client_has_gone_is_not_dialed() {
    let Served { target, port, client, mut replies, _tunnel, _nats } = Served::start().await;
    send(&client, "proxy.request", "inbox", headers(port, &[("proxy-wait", "0")])).await;
    assert_eq!(next(&mut replies).await["Metadata"]["error"], "true");
    timeout(Duration::from_millis(200), target.accept()).await.expect_err("not dialed");
}

#[tokio::test]
async fn a_session_ends_whose_client_does_not_listen_any_more() {
    let Served { target, port, client, mut replies, _tunnel, _nats } = Served::start().await;
    let begin = Instant::now();
    send(&client, "proxy.request", "nobody", headers(port, &[])).await;
    let (mut dialed, _) = in_time("the dial", target.accept()).await.expect("dialed");
    in_time("the end", dialed.read(&mut [0])).await.expect_err("reset");
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    // It listens, and sends no frame.
    send(&client, "proxy.request", "inbox", headers(port, &[])).await;
    let (mut dialed, _) = in_time("the dial", target.accept()).await.expect("dialed");
    next(&mut replies).await;
    let begin = Instant::now();
    in_time("the end", dialed.read(&mut [0])).await.expect_err("reset");
    assert!((Duration::from_secs(9)..FOREVER / 2).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn sessions_that_begin_are_not_disturbed_by_their_first_frames_time() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let mut application = TcpStream::connect(tunnel.addr).await.expect("listening");
    tokio::time::sleep(Duration::from_secs(11)).await;
    application.write_all(b"x").await.expect("open");
    in_time("the echo", application.read_exact(&mut [0])).await.expect("echoed");
    drop(application);
    tunnel.end().await;
}
