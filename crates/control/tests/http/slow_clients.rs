//! Clients that send slowly.

use std::time::Duration;

use fault_proxy_relay::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{get, no_metrics, parts, ready, while_serving};

#[tokio::test]
async fn they_hold_up_nobody() {
    while_serving(ready(), no_metrics(), &Shutdown::new(), async |server| {
        let mut slow = Vec::new();
        for _ in 0..20 {
            let mut client = TcpStream::connect(server).await.unwrap();
            client.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
            slow.push(client);
        }
        assert_eq!(parts(&get(server, "/livez").await), ("200", "ok\n"));

        let client = &mut slow[0];
        client.write_all(b"st: test\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(parts(&answer), ("200", "ok\n"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn they_are_closed_in_the_end() {
    while_serving(ready(), no_metrics(), &Shutdown::new(), async |server| {
        let mut client = TcpStream::connect(server).await.unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
        let started = Instant::now();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 5);

        let mut client = TcpStream::connect(server).await.unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        client.read_exact(&mut [0; 12]).await.unwrap();
        let started = Instant::now();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 30);
    })
    .await;
}

#[tokio::test]
async fn all_are_closed_when_the_server_is_dropped() {
    let mut client = while_serving(ready(), no_metrics(), &Shutdown::new(), async |server| {
        let mut client = TcpStream::connect(server).await.unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\nGET").await.unwrap();
        let mut first = [0; 12];
        client.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        client
    })
    .await;
    // The connection ends with an end of file, or with a reset because of unread data.
    let end = timeout(Duration::from_secs(30), client.read_to_end(&mut Vec::new())).await;
    end.expect("it is closed").ok();
}
