//! A path from this process to itself, directly or through fault-proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};
use socket2::{Domain, SockRef, Socket, Type};
use testkit::{Daemon, free_addr};

use super::super::load::PATIENCE;
use super::super::peers::{SETTLE_TIME, start_ours};

/// A listener, and the address that leads to it. Dropping the value stops the proxy, if any.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) listener: TcpListener,
    addr: SocketAddr,
    _proxy: Option<Daemon>,
}

impl Path {
    pub(super) fn direct() -> Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self { addr: listener.local_addr()?, listener, _proxy: None })
    }

    /// Creates a path through fault-proxy with these flags.
    pub(super) fn through(flags: &str) -> Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let addr = free_addr();
        let proxy = start_ours(addr, listener.local_addr()?, flags)?;
        thread::sleep(SETTLE_TIME);
        Ok(Self { listener, addr, _proxy: Some(proxy) })
    }

    pub(super) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.addr).context("cannot open a session")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Returns a listener with a backlog of hundreds of connections. Its `accept` times out after [`PATIENCE`].
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    socket.listen(4096)?;
    let listener = TcpListener::from(socket);
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
    Ok(listener)
}
