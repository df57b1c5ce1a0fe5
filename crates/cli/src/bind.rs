//! Taking a port.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted; the system's net.core.somaxconn bounds it too.
const LISTEN_QUEUE: i32 = 4096;

/// Takes the first of the addresses that can be bound, with so many sockets: the system spreads new connections over them.
///
/// # Errors
/// That of the last address; when the name has none, or a port is taken.
pub fn listen(addresses: impl ToSocketAddrs, sockets: usize) -> io::Result<Vec<TcpListener>> {
    let mut failed = io::ErrorKind::NotFound.into();
    for addr in addresses.to_socket_addrs()? {
        match listen_on(addr, sockets) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_on(addr: SocketAddr, sockets: usize) -> io::Result<Vec<TcpListener>> {
    // A port that is taken must be an error, and shared sockets would join another run's.
    drop(bound(addr, false)?);
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..sockets {
        // the system has chosen a port, if it was to, with the first
        let addr = listeners.first().map_or(Ok(addr), TcpListener::local_addr)?;
        listeners.push(listen_again(addr)?);
    }
    Ok(listeners)
}

/// One more socket on an address that is ours.
///
/// # Errors
/// When somebody else has taken the address.
pub fn listen_again(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(addr, true)?;
    socket.listen(LISTEN_QUEUE)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bound(addr: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_share_the_port_that_the_system_chose() {
        let listeners = listen("127.0.0.1:0", 3).unwrap();
        let ports: Vec<_> = listeners.iter().map(|each| each.local_addr().unwrap().port()).collect();
        assert!(ports[0] != 0 && ports == [ports[0]; 3], "{ports:?}");
        let taken = listen(("127.0.0.1", ports[0]), 1).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
