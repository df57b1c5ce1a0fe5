//! A service that reaches another over NATS, without a port or a proxy in between: one half dials, the other serves what it
//! dials, each in its own process in real life. Wants NATS at `NATS_URL`.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::sync::Arc;

use fault_proxy_nats::{Config, NatsConnection, NatsOptions, Target, Tunnels};
use fault_proxy_relay::{Connector, Relay, Route, Shutdown, TcpConnector};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

async fn tunnels(name: &str) -> Result<Tunnels> {
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://localhost:4222".to_owned());
    let link = NatsConnection::connect(&NatsOptions::new([url.parse()?], name)).await?;
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed)?;
    Ok(Tunnels::new(link, Config::default(), seed))
}

/// Offers what listens on `port` under the name `greeter`, and nothing else.
async fn serve(tunnels: &Tunnels, port: u16, shutdown: &Shutdown) -> Result<()> {
    let requests = tunnels
        .listen(&["greeter".parse()?], move |target| match target {
            Target::Service(_) => Ok(Arc::new(TcpConnector::new("127.0.0.1", port)) as Arc<dyn Connector>),
            Target::Host { .. } => Err("only the greeter is offered here".to_owned()),
        })
        .await?;
    Relay::new(fault_proxy_relay::Config::default()).run(requests, Route::from_accepted(), shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = TcpListener::bind("127.0.0.1:0").await?;
    let port = service.local_addr()?.port();
    let (there, here) = (tunnels("there").await?, tunnels("here").await?);
    let shutdown = Shutdown::new();

    let conversation = async {
        // Any `AsyncRead + AsyncWrite` client takes this stream, a database driver for one.
        let mut stream = here.connector(Target::Service("greeter".parse()?)).open().await?.stream;
        let (mut greeter, _) = service.accept().await?;
        stream.write_all(b"hello").await?;
        greeter.read_exact(&mut [0; 5]).await?;
        greeter.write_all(b"hello over NATS").await?;
        drop(greeter);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("{answer}");
        drop(stream);
        here.closed().await;
        shutdown.drain();
        Result::Ok(())
    };
    let (served, conversed) = tokio::join!(serve(&there, port, &shutdown), conversation);
    served.and(conversed)
}
