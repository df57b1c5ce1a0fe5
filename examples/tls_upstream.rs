//! A service that lets its clear clients reach an upstream over TLS, whose certificate it verifies.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fault_proxy_relay::{Config, Relay, Route, Shutdown, TcpAcceptor, TcpConnector};
use fault_proxy_tls::{ClientTls, ServerTls, TlsConnector, TlsHandshake, TlsNegotiation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let (service, tls, clear) = (listen().await?, listen().await?, listen().await?);
    let addr = clear.local_addr()?;
    let ports = [service.local_addr()?.port(), tls.local_addr()?.port()];

    // The upstream: TLS for its clients, clear to the service. In real life it is somewhere else.
    let (server_tls, certificate) = ServerTls::self_signed(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let upstream = Route {
        handshake: Some(Arc::new(TlsHandshake::new(&server_tls, TlsNegotiation::Direct)?)),
        ..Route::to(TcpConnector::new("127.0.0.1", ports[0]))
    };

    // What this example is about. Without `ca_file`, the system's certificates are trusted.
    let ca_file = std::env::temp_dir().join(format!("tls-upstream-{}.pem", std::process::id()));
    std::fs::write(&ca_file, certificate)?;
    let trust = ClientTls { ca_file: Some(ca_file.clone()), ..ClientTls::default() };
    let connector =
        TlsConnector::new(TcpConnector::new("127.0.0.1", ports[1]), &trust, TlsNegotiation::Direct)?;
    std::fs::remove_file(ca_file)?;

    let (relay, shutdown) = (Relay::new(Config::default()), Shutdown::new());
    let conversation = async {
        let mut client = TcpStream::connect(addr).await?;
        client.write_all(b"hello").await?;
        let (mut server, _) = service.accept().await?;
        server.read_exact(&mut [0; 5]).await?;
        server.write_all(b"hello over TLS").await?;
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        println!("{answer}");
        shutdown.drain();
        Result::Ok(())
    };
    let (clear, tls) = (TcpAcceptor::new(clear)?, TcpAcceptor::new(tls)?);
    let relays = async {
        tokio::join!(relay.run(clear, Route::to(connector), &shutdown), relay.run(tls, upstream, &shutdown))
    };
    tokio::join!(relays, conversation).1
}

async fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}
