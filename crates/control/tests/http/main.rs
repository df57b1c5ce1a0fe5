//! Health checks and metrics over raw sockets.

mod health;
mod metrics;
mod slow_clients;

use std::future::Future;
use std::net::SocketAddr;

use fault_proxy_control::{Health, Metrics, serve};
use fault_proxy_relay::{Shutdown, TcpAcceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves while `test` runs, then drops the server.
async fn while_serving<F: Future>(
    health: Health,
    metrics: Metrics,
    shutdown: &Shutdown,
    test: impl FnOnce(SocketAddr) -> F,
) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    let listener = TcpAcceptor::new(listener).expect("a TCP listener");
    tokio::select! {
        output = test(addr) => output,
        () = serve(listener, health, metrics, shutdown.clone()) => panic!("it ended before the test"),
    }
}

fn no_metrics() -> Metrics {
    Metrics::new("test", "1.2.3")
}

fn ready() -> Health {
    Health::new(|| Ok(()))
}

/// Returns the complete response to `GET path`, including its head.
async fn get(server: SocketAddr, path: &str) -> String {
    request(server, "GET", path).await
}

async fn request(server: SocketAddr, method: &str, path: &str) -> String {
    request_with(server, method, path, "Host: test").await
}

async fn request_with(server: SocketAddr, method: &str, path: &str, header: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("it accepts");
    let head = format!("{method} {path} HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

/// Returns the status and the body of a response.
fn parts(answer: &str) -> (&str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    (head.split(' ').nth(1).expect("a status line"), body)
}
