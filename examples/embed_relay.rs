//! A service that embeds the relay: it forwards all data from one port to another until it is stopped.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use fault_proxy_relay::{Config, Relay, Route, Shutdown, TcpAcceptor, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (upstream_port, addr) = (upstream.local_addr()?.port(), listener.local_addr()?);

    let relay = Relay::new(Config::default()).on_session_end(|session| {
        println!("{} bytes there, {} back", session.bytes.to_upstream, session.bytes.to_downstream);
    });
    let shutdown = Shutdown::new();
    let running = relay.run(
        TcpAcceptor::new(listener)?,
        Route::to(TcpConnector::new("127.0.0.1", upstream_port)),
        &shutdown,
    );

    let conversation = async {
        let mut client = TcpStream::connect(addr).await?;
        let (mut server, _) = upstream.accept().await?;
        client.write_all(b"hello").await?;
        server.read_exact(&mut [0; 5]).await?;
        server.write_all(b"hello yourself").await?;
        client.read_exact(&mut [0; 14]).await?;
        shutdown.drain();
        std::io::Result::Ok(())
    };
    tokio::join!(running, conversation).1
}
