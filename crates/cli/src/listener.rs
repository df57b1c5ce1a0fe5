//! The TCP listener of a proxy that may have faults.

use std::io;
use std::net::SocketAddr;

use fault_proxy_engine::ListenerHandle;
use fault_proxy_relay::{Accepted, Listener, TcpAcceptor};
use tokio::select;

use crate::bind::listen_again;

/// A TCP listener that is closed while a fault refuses every client.
#[derive(Debug)]
pub struct FaultListener {
    addresses: Vec<SocketAddr>,
    /// `None` while it is closed.
    acceptor: Option<TcpAcceptor>,
    listening: Option<ListenerHandle>,
}

impl FaultListener {
    /// Wraps `acceptor`. Reports to the faults whether it is open. Without a handle, the listener always
    /// stays open.
    ///
    /// # Errors
    /// Returns an error if the system does not return the local addresses of the sockets.
    pub fn new(acceptor: TcpAcceptor, listening: Option<ListenerHandle>) -> io::Result<Self> {
        let addresses = acceptor.local_addrs()?;
        Ok(Self { addresses, acceptor: Some(acceptor), listening })
    }
}

impl Listener for FaultListener {
    async fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            if let Some(listening) = &self.listening
                && listening.faults().is_refusing()
            {
                self.acceptor = None;
                listening.set_open(false);
                listening.faults().wait_for_refusing(false).await;
            }
            let open = match &mut self.acceptor {
                Some(open) => open,
                None => {
                    let again = self.addresses.iter().map(|addr| listen_again(*addr));
                    let sockets = again.collect::<io::Result<Vec<_>>>()?;
                    let open = self.acceptor.insert(TcpAcceptor::from_std(sockets)?);
                    if let Some(listening) = &self.listening {
                        listening.set_open(true);
                    }
                    open
                }
            };
            let Some(listening) = &self.listening else { return open.accept().await };
            select! {
                biased;
                accepted = open.accept() => return accepted,
                () = listening.faults().wait_for_refusing(true) => {}
            }
        }
    }
}
