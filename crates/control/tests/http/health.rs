//! Liveness and readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fault_proxy_control::{Health, serve};
use fault_proxy_relay::{Shutdown, TcpAcceptor};
use tokio::net::{TcpListener, TcpStream};

use super::{get, no_metrics, parts, ready, request, while_serving};

#[tokio::test]
async fn it_lives_whether_it_is_ready_or_not() {
    let health = Health::new(|| Err("no NATS".to_owned()));
    while_serving(health, no_metrics(), &Shutdown::new(), async |server| {
        for path in ["/livez", "/health"] {
            assert_eq!(parts(&get(server, path).await), ("200", "ok\n"));
        }
        assert_eq!(parts(&get(server, "/readyz").await), ("503", "no NATS\n"));
    })
    .await;
}

#[tokio::test]
async fn readiness_is_asked_for_each_time() {
    let connected = Arc::new(AtomicBool::new(true));
    let health = Health::new({
        let connected = Arc::clone(&connected);
        move || if connected.load(Ordering::Relaxed) { Ok(()) } else { Err("gone".to_owned()) }
    });
    while_serving(health, no_metrics(), &Shutdown::new(), async |server| {
        assert_eq!(parts(&get(server, "/readyz").await), ("200", "ok\n"));
        connected.store(false, Ordering::Relaxed);
        assert_eq!(parts(&get(server, "/readyz").await), ("503", "gone\n"));
        connected.store(true, Ordering::Relaxed);
        assert_eq!(parts(&get(server, "/readyz").await), ("200", "ok\n"));
    })
    .await;
}

#[tokio::test]
async fn a_draining_proxy_answers_that_it_is_not_ready() {
    let shutdown = Shutdown::new();
    while_serving(ready(), no_metrics(), &shutdown, async |server| {
        shutdown.drain();
        assert_eq!(parts(&get(server, "/readyz").await), ("503", "draining\n"));
        assert_eq!(parts(&get(server, "/livez").await), ("200", "ok\n"));
        assert_eq!(parts(&get(server, "/metrics").await).0, "200");
    })
    .await;
}

#[tokio::test]
async fn an_abort_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let listener = TcpAcceptor::new(listener).unwrap();
    let shutdown = Shutdown::new();
    let aborting = async {
        let client = TcpStream::connect(server).await.unwrap();
        shutdown.abort();
        client
    };
    tokio::join!(serve(listener, ready(), no_metrics(), shutdown.clone()), aborting);
    TcpStream::connect(server).await.unwrap_err();
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_get_is_405() {
    while_serving(ready(), no_metrics(), &Shutdown::new(), async |server| {
        assert_eq!(parts(&get(server, "/").await).0, "404");
        assert_eq!(parts(&get(server, "/metrics/more").await).0, "404");
        for path in ["/livez", "/health", "/readyz", "/metrics"] {
            let answer = request(server, "POST", path).await;
            assert_eq!(parts(&answer).0, "405", "{path}");
            assert!(answer.to_ascii_lowercase().contains("allow: get"), "{answer}");
        }
    })
    .await;
}
