//! Faults around a connector of the relay: every session it opens gets them, and they change while sessions are open.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use proxy_fault::faults::Latency;
use proxy_fault::{Delay, Effect, Engine, Fault, FaultStream, Faults, Settings};
use proxy_relay::{
    BoxStream, Config, Connecting, Connector, Relay, Route, Shutdown, Stream, TcpAcceptor, TcpConnector,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Connects over TCP, with faults on the way.
#[derive(Debug)]
struct BadNetwork {
    tcp: TcpConnector,
    faults: Faults,
}

impl Connector for BadNetwork {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let session = self.faults.session();
            session.until_open().await;
            let mut connected = self.tcp.connect().await?;
            let (client, server) = session.split();
            connected.stream = Box::new(Faulty(server.around(connected.stream)));
            connected.around_downstream = Some(Box::new(|stream| Box::new(Faulty(client.around(stream)))));
            Ok(connected)
        })
    }
}

/// What the relay wants of a stream: that it can be aborted, and that faults end it also while nobody takes what it has. The
/// stream that it wraps answers everything else.
struct Faulty(FaultStream<BoxStream>);

impl Stream for Faulty {
    fn abort(&mut self) {
        if !self.0.is_spared() {
            self.0.get_mut().abort();
        }
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut **self.0.get_mut())
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        Some(&mut self.0)
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ended(cx)
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let tcp = TcpConnector::new("127.0.0.1", upstream.local_addr()?.port());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;

    let faults = Engine::new(Settings::default()).proxy("example", vec![]);
    let (relay, shutdown) = (Relay::new(Config::default()), Shutdown::new());
    let route = Route::to(BadNetwork { tcp, faults: faults.clone() });
    let relaying = relay.run(TcpAcceptor::new(listener)?, route, &shutdown);

    let echo = async {
        let (mut stream, _) = upstream.accept().await?;
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await
    };
    let client = async {
        let mut stream = TcpStream::connect(addr).await?;
        println!("as it is:         {:?}", round_trip(&mut stream).await?);
        let effect = Effect::from(Latency { delay: Delay::Constant(Duration::from_millis(50)), once: false });
        faults.replace(vec![Fault::new("latency", effect)]);
        let late = round_trip(&mut stream).await?;
        println!("50 ms each way:   {late:?}");
        assert!(late >= Duration::from_millis(100));
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
