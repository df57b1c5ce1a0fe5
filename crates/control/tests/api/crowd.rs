//! More clients than connections are allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::Api;

/// Number of concurrent connections.
const MAX: usize = 256;

/// Number of clients that send all the time. They are more than fit, but few enough for a busy machine.
const BUSY_CLIENTS: usize = MAX + 32;

/// Interval shorter than the 100 ms after which a connection that waits for its client can be closed.
const BUSY_INTERVAL: Duration = Duration::from_millis(60);

const NO_BODY: &str = "POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";

const LONG_BODY: &str = "POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{";

async fn that_send(api: &Api, count: usize, bytes: &str) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = TcpStream::connect(api.addr).await.expect("it accepts");
        client.write_all(bytes.as_bytes()).await.expect("it accepts");
        clients.push(client);
    }
    clients
}

/// Checks that all four responses arrive before the silent clients are closed.
async fn assert_answers(api: &Api, headers: &[&str]) {
    for path in ["/livez", "/readyz", "/metrics", "/proxies"] {
        let answer = timeout(Duration::from_secs(20), api.ask_with("GET", path, headers, "")).await;
        assert_eq!(answer.expect("it answers").status, 200, "{path}");
    }
}

#[tokio::test]
async fn silent_clients_keep_nobody_out() {
    let api = Api::new().await;
    for bytes in ["", "GET /livez HTTP/1.1\r\nHo", NO_BODY, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        let clients = that_send(&api, 2 * MAX, bytes).await;
        assert_answers(&api, &["Host: localhost"]).await;
        drop(clients);
    }
}

#[tokio::test]
async fn clients_that_come_again_at_once_keep_nobody_out() {
    for (token, header, bytes) in [
        (None, "Host: localhost", ""),
        (None, "Host: localhost", "GET /livez HT"),
        (None, "Host: localhost", NO_BODY),
        (Some("s3cr3t"), "Authorization: Bearer s3cr3t", ""),
        (Some("s3cr3t"), "Authorization: Bearer s3cr3t", NO_BODY),
    ] {
        let api = Api::with_token(token).await;
        let mut crowd = JoinSet::new();
        let arrived = Arc::new(AtomicUsize::new(0));
        for _ in 0..600 {
            let (addr, arrived) = (api.addr, Arc::clone(&arrived));
            crowd.spawn(async move {
                loop {
                    let Ok(mut client) = TcpStream::connect(addr).await else { continue };
                    arrived.fetch_add(1, Ordering::Relaxed);
                    client.write_all(bytes.as_bytes()).await.ok();
                    client.read_to_end(&mut Vec::new()).await.ok();
                }
            });
        }
        while arrived.load(Ordering::Relaxed) < 600 {
            yield_now().await;
        }
        for _ in 0..3 {
            assert_answers(&api, &[header]).await;
        }
    }
}

#[tokio::test]
async fn clients_that_ask_all_the_time_keep_nobody_out() {
    let api = Api::new().await;
    let mut crowd = JoinSet::new();
    let (arrived, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..BUSY_CLIENTS {
        let (addr, arrived, answered) = (api.addr, Arc::clone(&arrived), Arc::clone(&answered));
        crowd.spawn(async move {
            loop {
                let Ok(mut client) = TcpStream::connect(addr).await else { continue };
                arrived.fetch_add(1, Ordering::Relaxed);
                while client.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok()
                    && client.read(&mut [0; 512]).await.is_ok_and(|count| count > 0)
                {
                    answered.fetch_add(1, Ordering::Relaxed);
                    sleep(BUSY_INTERVAL).await;
                }
            }
        });
    }
    while arrived.load(Ordering::Relaxed) < BUSY_CLIENTS || answered.load(Ordering::Relaxed) < 8 * MAX {
        sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..3 {
        assert_answers(&api, &["Host: localhost"]).await;
    }
}

/// The body of each client arrives byte by byte, so that it always makes progress.
#[tokio::test]
async fn clients_whose_bodies_trickle_keep_nobody_out() {
    let api = Api::new().await;
    let mut crowd = JoinSet::new();
    let arrived = Arc::new(AtomicUsize::new(0));
    for _ in 0..BUSY_CLIENTS {
        let (addr, arrived) = (api.addr, Arc::clone(&arrived));
        crowd.spawn(async move {
            loop {
                let Ok(mut client) = TcpStream::connect(addr).await else { continue };
                arrived.fetch_add(1, Ordering::Relaxed);
                let mut bytes = LONG_BODY.as_bytes();
                while client.write_all(bytes).await.is_ok() {
                    bytes = b" ";
                    sleep(BUSY_INTERVAL).await;
                }
            }
        });
    }
    while arrived.load(Ordering::Relaxed) < BUSY_CLIENTS {
        yield_now().await;
    }
    // The responses must arrive before the time limit of bodies.
    let answers = timeout(Duration::from_secs(12), assert_answers(&api, &["Host: localhost"])).await;
    answers.expect("it answers");
}

#[tokio::test]
async fn the_longest_idle_one_is_closed_first() {
    let api = Api::new().await;
    let mut events = api.send("GET", "/events", &["Host: localhost"], "").await;
    events.read_exact(&mut [0; 12]).await.unwrap();
    let whole = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut clients = that_send(&api, MAX - 1, whole).await;
    for client in &mut clients {
        client.read_exact(&mut [0; 12]).await.unwrap();
    }
    // The first client has sent another request since.
    clients[0].write_all(whole.as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("200 OK").count() + answers.matches("ok\n").count() < 3 {
        let mut some = [0; 512];
        let count = clients[0].read(&mut some).await.unwrap();
        assert_ne!(count, 0, "{answers:?}");
        answers.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }

    assert_eq!(api.get("/livez").await.status, 200);
    clients[1].read_to_end(&mut Vec::new()).await.ok();
    for place in [0, 2, MAX - 2] {
        clients[place].write_all(whole.as_bytes()).await.unwrap();
        let mut some = [0; 512];
        assert_ne!(clients[place].read(&mut some).await.unwrap(), 0, "{place}");
    }
    let mut more = [0; 512];
    for _ in 0..2 {
        assert_ne!(events.read(&mut more).await.unwrap(), 0, "an event stream is not idle");
    }
}
