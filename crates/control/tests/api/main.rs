//! Tests of the control API over raw sockets. Its proxies listen but do not relay.

mod host;

mod access;
mod crowd;
mod events;
mod limits;
mod openapi;
mod populate;
mod proxies;
mod toxics;
mod turns;

use std::net::{Ipv4Addr, SocketAddr};

use fault_proxy_control::proxies::Proxies;
use fault_proxy_control::{Access, Health, Metrics, serve_control};
use fault_proxy_engine::{Engine, Settings};
use fault_proxy_relay::{Shutdown, TcpAcceptor};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use self::host::FakeHost;

/// A control API that is served until it is dropped.
struct Api {
    addr: SocketAddr,
    proxies: Proxies,
    host: FakeHost,
    shutdown: Shutdown,
    _server: JoinSet<()>,
}

/// Response of the API.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// Head in lower case.
    head: String,
    body: String,
}

/// Returns a listener with the same queue length as in the program. When a queue is full, the system drops
/// connection attempts, and clients retry after 1, 3, 7 and 15 s.
fn listener() -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    socket.listen(4096).expect("it listens")
}

impl Api {
    async fn new() -> Self {
        Self::with_token(None).await
    }

    async fn with_token(token: Option<&str>) -> Self {
        let host = FakeHost::default();
        let proxies = Proxies::new(host.clone(), Engine::new(Settings::default()), "1.2.3", None);
        let listener = listener();
        let addr = listener.local_addr().expect("it is bound");
        let listener = TcpAcceptor::new(listener).expect("a TCP listener");
        let access = Access::new(addr, token);
        let health = Health::new(|| Ok(()));
        let shutdown = Shutdown::new();
        let mut server = JoinSet::new();
        let metrics = Metrics::new("test", "1.2.3");
        server.spawn(serve_control(listener, proxies.clone(), health, metrics, access, shutdown.clone()));
        Self { addr, proxies, host, shutdown, _server: server }
    }

    /// Starts an API with a proxy `p` on a free port.
    async fn with_proxy() -> Self {
        let api = Self::new().await;
        let made = api.post("/proxies", r#"{"name":"p","listen":"127.0.0.1:0","upstream":"up:1"}"#).await;
        assert_eq!(made.status, 201, "{made:?}");
        api
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "").await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(method, path, &["Host: 127.0.0.1"], body).await
    }

    async fn ask_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.send(method, path, headers, body).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        Answer::read(&answer)
    }

    /// Sends a request on a new connection and returns the connection.
    async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.expect("it accepts");
        let headers = headers.join("\r\n");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        stream
    }
}

impl Answer {
    fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        serde_json::from_str(&self.body).expect("it is JSON")
    }

    /// Checks that the request was refused with this text, in the form that clients of the API expect.
    #[track_caller]
    fn assert_refused(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.body.ends_with('\n'), "{self:?}");
        let body = self.json();
        assert_eq!((&body["error"], &body["status"]), (&text.into(), &status.into()), "{self:?}");
    }

    /// Checks that the request was refused with a text that contains these words.
    #[track_caller]
    fn assert_refused_with(&self, status: u16, words: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        let text = self.json()["error"].as_str().expect("a text").to_owned();
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text:?}");
        }
    }
}
