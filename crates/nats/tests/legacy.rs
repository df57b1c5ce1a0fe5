//! Peers that only speak the plain protocol, played by a bare NATS client as `tcp-sproxy` was captured.

mod support;

use std::time::Duration;

use async_nats::{Client, HeaderMap, Subscriber};
use fault_proxy_nats::Encoding;
use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{Tunnel, connect, in_time};
use testkit::{NatsServer, TcpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

const REQUEST: &str = r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
const BOTH: &[Encoding] = &[Encoding::Binary, Encoding::Json];

fn base64(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).expect("base64")
}

fn message(id: &str, data: &[u8], metadata: Value) -> String {
    let data =
        if data.is_empty() { Value::Null } else { base64_simd::STANDARD.encode_to_string(data).into() };
    json!({"ID": id, "Reply": "", "Data": data, "Metadata": metadata}).to_string()
}

/// Asks as the Go client does; returns the reply.
async fn ask(client: &Client, host: &str, port: u16) -> Value {
    let mut headers = HeaderMap::new();
    headers.insert("remote_host", host);
    headers.insert("remote_port", port.to_string());
    let reply = client.request_with_headers("proxy.request", headers, REQUEST.into());
    let reply = in_time("the reply", reply).await.expect("a server listens");
    serde_json::from_slice(&reply.payload).expect("JSON")
}

/// Returns the data of messages until this many bytes have been received.
async fn read(messages: &mut Subscriber, id: &str, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        let message = in_time("a message", messages.next()).await.expect("subscribed");
        let message: Value = serde_json::from_slice(&message.payload).expect("JSON");
        assert_eq!(message["ID"], id);
        if let Some(data) = message["Data"].as_str() {
            let data = base64(data);
            assert!(data.len() <= 32_768, "longer data is truncated by the Go client");
            read.extend(data);
        }
    }
    read
}

#[tokio::test]
async fn a_legacy_client_is_served() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let client = connect(&nats).await;
    let reply = ask(&client, "127.0.0.1", upstream.addr().port()).await;
    assert_eq!(reply["Metadata"], json!({}));
    let id = String::from_utf8(base64(reply["Data"].as_str().expect("an ID"))).expect("text");
    let mut messages = client.subscribe(format!("p.data.to_client.{id}")).await.expect("subscribed");
    let to_server = format!("p.data.to_server.{id}");
    client
        .publish(to_server.clone(), message(&id, b"hello \x00\xff\n", Value::Null).into())
        .await
        .expect("sent");
    assert_eq!(read(&mut messages, &id, 9).await, b"hello \x00\xff\n");
    client.publish(to_server, message(&id, b"", json!({"type": "close"})).into()).await.expect("sent");
    tunnel.end().await;
}

#[tokio::test]
async fn what_a_server_says_first_waits_for_a_legacy_client_to_listen() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::banner(b"220 ready\r\n"));
    let _tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let client = connect(&nats).await;
    for late in 0..20 {
        let reply = ask(&client, "127.0.0.1", upstream.addr().port()).await;
        let id = String::from_utf8(base64(reply["Data"].as_str().expect("an ID"))).expect("text");
        sleep(Duration::from_millis(late)).await;
        let mut messages = client.subscribe(format!("p.data.to_client.{id}")).await.expect("subscribed");
        assert_eq!(read(&mut messages, &id, 11).await, b"220 ready\r\n");
    }
}

#[tokio::test]
async fn a_legacy_client_hears_of_a_refusal_in_a_text_with_a_space() {
    let nats = NatsServer::start();
    let port = testkit::free_port();
    let _tunnel = Tunnel::to(&nats, ([127, 0, 0, 1], port).into()).await;
    let client = connect(&nats).await;
    let reply = ask(&client, "127.0.0.1", port).await;
    assert_eq!(reply["Metadata"]["error"], "true");
    let text = String::from_utf8(base64(reply["Data"].as_str().expect("a text"))).expect("text");
    assert!(text.contains("cannot connect to"), "{text}");
    let missing =
        in_time("the reply", client.request("proxy.request", REQUEST.into())).await.expect("served");
    let missing: Value = serde_json::from_slice(&missing.payload).expect("JSON");
    let text = String::from_utf8(base64(missing["Data"].as_str().expect("a text"))).expect("text");
    assert_eq!(text, "the request has no `remote_host`");
}

#[tokio::test]
async fn a_host_in_disguise_is_refused_before_it_is_dialed() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let _tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let (client, port) = (connect(&nats).await, upstream.addr().port());
    for host in [r"\049\050\055.0.0.1", r"\108ocalhost", r"local\host", "127.0.0.1%lo", "[127.0.0.1]", "a..b"]
    {
        let reply = ask(&client, host, port).await;
        let text = String::from_utf8(base64(reply["Data"].as_str().expect("a text"))).expect("text");
        assert!(reply["Metadata"]["error"] == "true", "{reply}");
        assert!(text.contains(&format!("{host:?} is not a host name")), "{text}");
    }
    for host in ["127.0.0.1", "127.1", "LOCALHOST", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"] {
        assert_eq!(ask(&client, host, port).await["Metadata"], json!({}), "{host}");
    }
}

#[tokio::test]
async fn without_headers_a_requests_metadata_counts() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let _tunnel = Tunnel::to(&nats, upstream.addr()).await;
    let client = connect(&nats).await;
    let port = upstream.addr().port().to_string();
    let request = message("", b"", json!({"remote_host": "127.0.0.1", "remote_port": port}));
    let reply = in_time("the reply", client.request("proxy.request", request.into())).await.expect("served");
    let reply: Value = serde_json::from_slice(&reply.payload).expect("JSON");
    assert_eq!(reply["Metadata"], json!({}), "{reply}");
}

/// Answers as the Go server does, echoes, and ignores closes.
async fn serve_as_go(client: Client, subscribe_late: Duration) {
    let mut requests = client.subscribe("proxy.request").await.expect("subscribed");
    client.flush().await.expect("connected");
    let request = requests.next().await.expect("a request");
    let headers = request.headers.expect("headers");
    assert!(headers.get("remote_host").is_some() && headers.get("remote_port").is_some());
    let id = "93e6cb0299a5e8f4";
    let reply = message("", id.as_bytes(), json!({}));
    client.publish(request.reply.expect("a request"), reply.into()).await.expect("sent");
    sleep(subscribe_late).await;
    let mut messages = client.subscribe(format!("p.data.to_server.{id}")).await.expect("subscribed");
    while let Some(got) = messages.next().await {
        let got: Value = serde_json::from_slice(&got.payload).expect("JSON");
        assert_eq!(got["ID"], id);
        if let Some(data) = got["Data"].as_str() {
            let echo = message(id, &base64(data), json!({}));
            client.publish(format!("p.data.to_client.{id}"), echo.into()).await.expect("sent");
        }
    }
}

#[tokio::test]
async fn a_legacy_server_is_used_and_nothing_sent_first_is_lost() {
    for late in [0, 30] {
        let nats = NatsServer::start();
        let go = connect(&nats).await;
        // The last to subscribe: a server of ours would take the request too.
        let target = fault_proxy_nats::Target::Host { host: "anywhere".into(), port: 1 };
        let tunnel = Tunnel::client_only(&nats, target, BOTH).await;
        let go = serve_as_go(go, Duration::from_millis(late));
        let client = async {
            sleep(Duration::from_millis(100)).await;
            let mut stream = TcpStream::connect(tunnel.addr).await.expect("listening");
            let sent: Vec<u8> = (0..200_000_u32).map(|place| (place % 251) as u8).collect();
            let (mut reader, mut writer) = stream.split();
            let mut echoed = vec![0; sent.len()];
            let (written, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut echoed));
            written.expect("open");
            read.expect("echoed");
            assert!(echoed == sent);
        };
        tokio::select! {
            () = go => panic!("the subscription ended"),
            () = in_time("the echo", client) => {}
        }
    }
}

#[tokio::test]
async fn a_lost_nats_connection_resets_a_legacy_session_instead_of_leaving_a_hole() {
    let nats = NatsServer::start();
    let go = connect(&nats).await;
    let target = fault_proxy_nats::Target::Host { host: "anywhere".into(), port: 1 };
    let tunnel = Tunnel::client_only(&nats, target, BOTH).await;
    let go = serve_as_go(go, Duration::ZERO);
    let client = async {
        sleep(Duration::from_millis(100)).await;
        let mut stream = TcpStream::connect(tunnel.addr).await.expect("listening");
        stream.write_all(b"x").await.expect("open");
        stream.read_exact(&mut [0]).await.expect("echoed");
        nats.kill();
        nats.restart();
        let error = stream.read(&mut [0]).await.expect_err("reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    };
    tokio::select! {
        () = go => panic!("the subscription ended"),
        () = in_time("the reset", client) => {}
    }
}
