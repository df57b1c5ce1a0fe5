//! Faults around the listener and the connections of relayed sessions.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use proxy_fault::{FaultStream, Faults, Listening};
use proxy_relay::{
    Accepted, BoxStream, ConnectError, Connected, Connecting, Connector, Listener, Stream, TcpAcceptor,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::select;

use crate::bind::listen_again;

/// A TCP listener that is closed while a fault refuses every client.
#[derive(Debug)]
pub struct FaultListener {
    addresses: Vec<SocketAddr>,
    /// `None` while it is closed.
    acceptor: Option<TcpAcceptor>,
    listening: Listening,
}

impl FaultListener {
    /// Takes the place of `acceptor`, and tells those who wait for it whether it is open.
    ///
    /// # Errors
    /// When the system does not know the sockets' own addresses.
    pub fn new(acceptor: TcpAcceptor, listening: Listening) -> io::Result<Self> {
        let addresses = acceptor.local_addrs()?;
        Ok(Self { addresses, acceptor: Some(acceptor), listening })
    }
}

impl Listener for FaultListener {
    async fn accept(&mut self) -> io::Result<Accepted> {
        let faults = self.listening.faults();
        loop {
            if faults.is_down() {
                self.acceptor = None;
                self.listening.set_open(false);
                faults.until_down_is(false).await;
            }
            let open = match &mut self.acceptor {
                Some(open) => open,
                None => {
                    let again = self.addresses.iter().map(|addr| listen_again(*addr));
                    let sockets = again.collect::<io::Result<Vec<_>>>()?;
                    let open = self.acceptor.insert(TcpAcceptor::from_std(sockets)?);
                    self.listening.set_open(true);
                    open
                }
            };
            select! {
                biased;
                accepted = open.accept() => return accepted,
                () = faults.until_down_is(true) => {}
            }
        }
    }
}

/// Connects as another connector does, with faults on the way.
#[derive(Debug)]
pub struct FaultConnector {
    /// What reaches the upstream.
    pub inner: Arc<dyn Connector>,
    /// What happens on the way.
    pub faults: Faults,
}

impl FaultConnector {
    /// Puts faults around what `connect` reaches. They decide when, and whether, it is called.
    async fn with_faults<'a>(
        &'a self,
        connect: impl FnOnce() -> Connecting<'a> + Send,
    ) -> Result<Connected, ConnectError> {
        let mut session = self.faults.session();
        if let Some(fault) = session.refused() {
            return Err(ConnectError::Refused(format!("by the fault `{fault}`")));
        }
        session.until_open().await;
        let dialled = Instant::now();
        let mut connected = connect().await?;
        session.set_rtt(dialled.elapsed());
        let (client, server) = session.split();
        connected.stream = Box::new(Faulty(server.around(connected.stream)));
        connected.around_downstream =
            Some(Box::new(|downstream| Box::new(Faulty(client.around(downstream)))));
        Ok(connected)
    }
}

impl Connector for FaultConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(self.with_faults(|| self.inner.connect()))
    }

    fn connect_offering<'a>(&'a self, protocols: &'a [Vec<u8>]) -> Connecting<'a> {
        Box::pin(self.with_faults(|| self.inner.connect_offering(protocols)))
    }
}

/// Accepts as another listener does, with faults on the way to where each downstream asked to go
/// ([`Accepted::connector`]). What asks for nothing is left as it is.
#[derive(Debug)]
pub struct FaultAsked<L> {
    /// What accepts.
    pub inner: L,
    /// What happens on the way.
    pub faults: Faults,
}

impl<L: Listener> Listener for FaultAsked<L> {
    async fn accept(&mut self) -> io::Result<Accepted> {
        let mut accepted = self.inner.accept().await?;
        accepted.connector = accepted.connector.map(|inner| {
            let faults = self.faults.clone();
            Arc::new(FaultConnector { inner, faults }) as Arc<dyn Connector>
        });
        Ok(accepted)
    }
}

/// A connection with faults, as the relay wants it.
#[derive(Debug)]
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
        if self.0.is_passing() { self.0.get_ref().as_tcp() } else { None }
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        if self.0.is_passing() { None } else { Some(&mut self.0) }
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

#[cfg(test)]
mod tests;
