//! A service's own test of how it behaves when its network is bad: no socket, no waiting, the same every time.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::io;
use std::time::Duration;

use fault_proxy_engine::faults::Latency;
use fault_proxy_engine::{Delay, Effect, Engine, Fault, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::time::{Instant, timeout};

/// The service's code: asks for a value, and gives up after a second.
async fn ask(connection: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let exchange = async {
        connection.write_all(b"GET answer\n").await?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply).await?;
        Ok(reply)
    };
    timeout(Duration::from_secs(1), exchange).await?
}

/// The test: the same exchange on a network that holds every segment for `latency`, each way.
async fn asked_with(latency: Duration) -> (io::Result<String>, Duration) {
    let effect = Effect::from(Latency::new(Delay::Constant(latency)));
    let faults = Engine::new(Settings::default()).proxy("cache", vec![Fault::new("latency", effect)]);
    let (client, mut server) = duplex(64);
    let mut client = faults.session().client(client);
    let answer = async {
        let mut request = [0; 11];
        server.read_exact(&mut request).await?;
        server.write_all(b"42").await?;
        server.shutdown().await
    };
    let started = Instant::now();
    let (asked, _) = tokio::join!(ask(&mut client), timeout(Duration::from_secs(10), answer));
    (asked, started.elapsed())
}

// In a real test: #[tokio::test(start_paused = true)]. The clock jumps to the next deadline whenever nothing else is
// to be done.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let (reply, took) = asked_with(Duration::from_millis(300)).await;
    assert_eq!(reply.expect("600 ms are soon enough"), "42");
    println!("with 300 ms each way: answered after {took:?}");
    assert!(took >= Duration::from_millis(600));

    let (reply, took) = asked_with(Duration::from_millis(700)).await;
    assert_eq!(reply.expect_err("1,400 ms are too late").kind(), io::ErrorKind::TimedOut);
    println!("with 700 ms each way: given up after {took:?}");
}
