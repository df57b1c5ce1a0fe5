//! Faults as a layer of the relay: every session gets them, and they change while sessions are open.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use fault_proxy_engine::faults::{Latency, Refuse};
use fault_proxy_engine::{Delay, Engine, Fault, Settings};
use fault_proxy_relay::{Config, Relay, Route, Shutdown, TcpAcceptor, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let tcp = TcpConnector::new("127.0.0.1", upstream.local_addr()?.port());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;

    let faults = Engine::new(Settings::default()).proxy("example", vec![]);
    let (relay, shutdown) = (Relay::new(Config::default()), Shutdown::new());
    let route = Route::to(tcp).through(faults.clone());
    let relaying = relay.run(TcpAcceptor::new(listener)?, route, &shutdown);

    let echo = async {
        let (mut stream, _) = upstream.accept().await?;
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await
    };
    let client = async {
        let mut stream = TcpStream::connect(addr).await?;
        println!("as it is:         {:?}", round_trip(&mut stream).await?);
        let latency = Latency::new(Delay::Constant(Duration::from_millis(50)));
        faults.replace(vec![Fault::new("latency", latency)]);
        let late = round_trip(&mut stream).await?;
        println!("50 ms each way:   {late:?}");
        assert!(late >= Duration::from_millis(100));
        // Open sessions go on; the layer resets the next client before its upstream is dialed.
        faults.replace(vec![Fault::new("refuse", Refuse)]);
        let mut refused = TcpStream::connect(addr).await?;
        let error = refused.read(&mut [0; 1]).await.expect_err("a refused client is reset");
        println!("another client:   {error}");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        faults.replace(vec![]);
        println!("as it was:        {:?}", round_trip(&mut stream).await?);
        shutdown.drain();
        io::Result::Ok(())
    };
    let (done, _, ()) = tokio::join!(client, echo, relaying);
    Ok(done?)
}

async fn round_trip(stream: &mut TcpStream) -> io::Result<Duration> {
    let started = Instant::now();
    stream.write_all(b"ping").await?;
    stream.read_exact(&mut [0; 4]).await?;
    Ok(started.elapsed())
}
