//! Limits that apply to all requests.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, Api};

#[tokio::test]
async fn paths_and_methods_that_there_are_not() {
    let api = Api::with_proxy().await;
    for path in ["/nowhere", "/proxies/", "/proxies/p/x", "/proxies/p/toxics/x/y"] {
        api.get(path).await.assert_refused_with(404, &["no such path"]);
    }
    for (method, path, allowed) in [
        ("DELETE", "/proxies", "get,post"),
        ("PUT", "/proxies/p", "get,post,patch,delete"),
        ("PATCH", "/proxies/p/toxics", "get,post"),
        ("PUT", "/proxies/p/toxics/x", "get,post,patch,delete"),
        ("GET", "/populate", "post"),
        ("GET", "/reset", "post"),
        ("POST", "/version", "get"),
        ("POST", "/fault-types", "get"),
        ("POST", "/events", "get"),
        ("POST", "/metrics", "get,head"),
        ("POST", "/livez", "get,head"),
    ] {
        let answer = api.ask(method, path, "{}").await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(path == "/metrics" || path == "/livez" || answer.json()["status"] == 405, "{answer:?}");
        assert!(answer.head.contains(&format!("allow: {allowed}\r\n")), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn there_is_no_head_but_for_health_metrics_and_the_page() {
    let api = Api::with_proxy().await;
    for (path, allowed) in [
        ("/proxies", "get,post"),
        ("/proxies/p", "get,post,patch,delete"),
        ("/proxies/p/toxics", "get,post"),
        ("/reset", "post"),
        ("/version", "get"),
        ("/fault-types", "get"),
        ("/events", "get"),
        ("/openapi.json", "get"),
    ] {
        let answer = api.ask("HEAD", path, "").await;
        assert_eq!((answer.status, &*answer.body), (405, ""), "{path}");
        assert!(answer.head.contains(&format!("allow: {allowed}\r\n")), "{path}: {answer:?}");
    }
    for path in ["/livez", "/readyz", "/health", "/metrics", "/"] {
        assert_eq!(api.ask("HEAD", path, "").await.status, 200, "{path}");
    }
    assert_eq!(api.ask("HEAD", "/nowhere", "").await.status, 404);
}

#[tokio::test]
async fn requests_that_match_have_an_id() {
    let api = Api::with_proxy().await;
    let id = |head: &str| {
        head.lines().find_map(|line| line.strip_prefix("x-toxiproxy-request-id: ")).map(str::to_owned)
    };
    let mut ids = Vec::new();
    for path in ["/proxies", "/proxies/q", "/version"] {
        ids.push(id(&api.get(path).await.head).expect("it matches"));
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(id(&api.get("/nowhere").await.head), None);
}

#[tokio::test]
async fn a_content_type_is_ignored_and_a_large_body_refused() {
    let api = Api::new().await;
    let body = r#"{"name":"p","upstream":"up:1"} "#;
    let made = api.ask_with("POST", "/proxies", &["Host: localhost", "Content-Type: text/plain"], body).await;
    assert_eq!(made.status, 201);
    let large = " ".repeat((2 << 20) + 1);
    api.post("/proxies", &large).await.assert_refused_with(413, &["length limit"]);
    api.get("/proxies/%ff").await.assert_refused_with(400, &["UTF-8"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_25_seconds_at_most() {
    let api = Api::with_proxy().await;
    api.host.hold();
    let started = tokio::time::Instant::now();
    let answer = api.post("/proxies/p", r#"{"upstream":"up:2"}"#).await;
    answer.assert_refused_with(503, &["it continues"]);
    assert!(started.elapsed() >= Duration::from_secs(25));
    api.host.release();
    // This request waits for its turn.
    let proxy = api.post("/proxies/p", "{}").await.json();
    assert_eq!((proxy["upstream"].as_str(), proxy["enabled"].as_bool()), (Some("up:2"), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_body_takes_15_seconds_at_most() {
    let api = Api::new().await;
    let started = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(api.addr).await.unwrap();
    stream
        .write_all(b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    Answer::read(&answer).assert_refused_with(408, &["body"]);
    assert!(started.elapsed() >= Duration::from_secs(15));
}

#[tokio::test]
async fn who_listens_to_events_leaves_room_for_others() {
    let api = Api::new().await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        let mut stream = api.send("GET", "/events", &["Host: localhost"], "").await;
        stream.read_exact(&mut [0; 12]).await.unwrap();
        listeners.push(stream);
    }
    api.get("/events").await.assert_refused_with(503, &["64"]);
    assert_eq!(api.get("/livez").await.status, 200);
    listeners.pop();
    let mut head = [0; 12];
    // The server may not have detected the end yet.
    while &head != b"HTTP/1.1 200" {
        let mut stream = api.send("GET", "/events", &["Host: localhost"], "").await;
        stream.read_exact(&mut head).await.unwrap();
    }
}

#[tokio::test]
async fn health_and_metrics_are_there_too() {
    let api = Api::new().await;
    assert!(api.get("/metrics").await.body.contains("test_build_info"));
    api.shutdown.drain();
    let answer = api.get("/readyz").await;
    assert_eq!((answer.status, &*answer.body), (503, "draining\n"));
    assert_eq!(api.get("/proxies").await.status, 200);
}
