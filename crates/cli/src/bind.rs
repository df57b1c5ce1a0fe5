//! Binding listen addresses.

use std::io;
use std::net::{SocketAddr, TcpListener};

use fault_proxy_mapping::ListenAddr;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use thiserror::Error;
use tracing::info;

use crate::addr::addresses;

/// Maximum number of connections that wait to be accepted; net.core.somaxconn limits it too.
const LISTEN_QUEUE: i32 = 4096;

/// Maximum number of attempts to find a port that is free on all addresses.
const MAX_PORTS: u32 = 32;

/// True if the system distributes connections among several sockets on one port, as Linux does.
pub const SPREADS_CONNECTIONS: bool = cfg!(all(target_os = "linux", not(portable)));

/// An address that could not be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {listen}")]
pub struct BindError {
    /// The address, or the text as given if it does not resolve.
    pub listen: String,
    /// Error of the system.
    pub source: io::Error,
}

/// Listens on every address of a name, with `sockets` sockets for each, among which the system distributes
/// new connections. More than one socket requires [`SPREADS_CONNECTIONS`].
///
/// Returns the sockets in groups, with one socket for each address in every group. IPv4 comes first. If the port is 0, all addresses get
/// the same free port. An address that this host does not have, for example because it has no IPv6, is left out if there is another.
/// `:PORT` is the unspecified address of IPv6, which accepts IPv4 too, or that of IPv4 on a host without IPv6.
///
/// # Errors
/// Returns an error if the name does not resolve, or one of its addresses is in use.
pub fn listen(addr: &ListenAddr, sockets: usize) -> Result<Vec<Vec<TcpListener>>, BindError> {
    let addresses = addresses(addr).map_err(|source| BindError { listen: addr.to_string(), source })?;
    listen_at(addr, &addresses, sockets)
}

/// Like [`listen`], with the resolved [addresses].
///
/// # Errors
/// Returns an error if one of the addresses is in use.
pub fn listen_at(
    addr: &ListenAddr,
    addresses: &[SocketAddr],
    sockets: usize,
) -> Result<Vec<Vec<TcpListener>>, BindError> {
    let failed = |source| BindError { listen: addr.to_string(), source };
    let is_one_enough = addr.host.is_none();
    let mut tries = 1..=MAX_PORTS;
    loop {
        match listen_on_all(addresses, sockets, is_one_enough) {
            Err(error)
                if addr.port == 0
                    && error.source.kind() == io::ErrorKind::AddrInUse
                    && tries.next().is_some() => {}
            // The error shows the address as given, not the addresses that it resolves to.
            Err(error) if is_one_enough => return Err(failed(error.source)),
            listeners => return listeners,
        }
    }
}

fn listen_on_all(
    addresses: &[SocketAddr],
    sockets: usize,
    is_one_enough: bool,
) -> Result<Vec<Vec<TcpListener>>, BindError> {
    let mut groups: Vec<Vec<TcpListener>> = (0..sockets).map(|_| Vec::new()).collect();
    let mut chosen_port = None;
    let mut left_out = Vec::new();
    for &(mut addr) in addresses {
        addr.set_port(chosen_port.unwrap_or(addr.port()));
        let failed = |source| BindError { listen: addr.to_string(), source };
        match listen_on(addr, sockets) {
            Ok(listeners) => {
                let bound = listeners[0].local_addr().map_err(failed)?;
                chosen_port = Some(bound.port());
                groups.iter_mut().zip(listeners).for_each(|(group, listener)| group.push(listener));
                if is_one_enough {
                    break;
                }
            }
            Err(error) if is_unavailable(&error) => left_out.push(failed(error)),
            Err(error) => return Err(failed(error)),
        }
    }
    if chosen_port.is_none()
        && let Some(error) = left_out.pop()
    {
        return Err(error);
    }
    for BindError { listen, source } in left_out {
        info!(addr = listen, error = %source, "not listening on {listen}, which this host does not have: {source}");
    }
    Ok(groups)
}

/// Returns true if the host does not have the address or its family.
fn is_unavailable(error: &io::Error) -> bool {
    let unavailable = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| unavailable.contains(&code))
}

fn listen_on(addr: SocketAddr, sockets: usize) -> io::Result<Vec<TcpListener>> {
    // Sockets that share a port would also share it with another run of the program. Binding without sharing
    // first fails if the port is in use.
    drop(bound(addr, false)?);
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..sockets {
        // The first socket has the port that the system chose.
        let addr = listeners.first().map_or(Ok(addr), TcpListener::local_addr)?;
        listeners.push(listen_again(addr)?);
    }
    Ok(listeners)
}

/// Binds one more socket to an address of this program.
///
/// # Errors
/// Returns an error if the address is in use.
pub fn listen_again(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(addr, true)?;
    // Set options before listening: a connection inherits them when it is established.
    fault_proxy_relay::tune_listener(&socket)?;
    socket.listen(LISTEN_QUEUE)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bound(addr: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // On Windows the option would let another program take the port.
    socket.set_reuse_address(cfg!(unix))?;
    if is_shared && SPREADS_CONNECTIONS {
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Returns the addresses of the sockets as text.
///
/// # Errors
/// Returns an error if the system does not return the address of a socket.
pub fn listed(listeners: &[TcpListener]) -> io::Result<String> {
    let all = listeners.iter().map(|each| Ok(each.local_addr()?.to_string()));
    Ok(all.collect::<io::Result<Vec<_>>>()?.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maximum number of sockets that can share a port, for this test.
    const SOCKETS: usize = if SPREADS_CONNECTIONS { 3 } else { 1 };

    fn addresses(groups: &[Vec<TcpListener>]) -> Vec<Vec<SocketAddr>> {
        let of = |group: &Vec<TcpListener>| group.iter().map(|each| each.local_addr().unwrap()).collect();
        groups.iter().map(of).collect()
    }

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn sockets_share_the_port_that_the_system_chose() {
        let groups = listen(&"127.0.0.1:0".parse().unwrap(), SOCKETS).unwrap();
        let ports: Vec<_> = addresses(&groups).iter().flatten().map(SocketAddr::port).collect();
        assert!(ports[0] != 0 && ports == [ports[0]; SOCKETS], "{ports:?}");
        let taken = listen(&SocketAddr::from(([127, 0, 0, 1], ports[0])).into(), 1).unwrap_err();
        assert_eq!(taken.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(taken.to_string(), format!("cannot listen on 127.0.0.1:{}", ports[0]));
    }

    #[test]
    fn every_address_is_listened_on_with_one_port() {
        let groups =
            listen_on_all(&all(&["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"]), SOCKETS, false).unwrap();
        let addresses = addresses(&groups);
        let port = addresses[0][0].port();
        let expected = [1, 2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], port)));
        assert_eq!(addresses, [expected; SOCKETS]);
    }

    #[test]
    fn an_address_of_another_host_is_left_out_and_one_that_is_taken_is_named() {
        let elsewhere = "192.0.2.1:0";
        let groups = listen_on_all(&all(&[elsewhere, "127.0.0.1:0"]), 1, false).unwrap();
        let taken = addresses(&groups)[0][0];
        assert_eq!(addresses(&groups), [[taken]]);
        let nowhere = listen_on_all(&all(&[elsewhere]), 1, false).unwrap_err();
        assert_eq!(nowhere.to_string(), format!("cannot listen on {elsewhere}"));
        let free = SocketAddr::from(([127, 0, 0, 2], taken.port()));
        let error = listen_on_all(&[free, taken], 1, false).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {taken}"));
    }

    #[test]
    fn all_interfaces_are_one_address() {
        let groups = listen(&":0".parse().unwrap(), SOCKETS).unwrap();
        let addresses = addresses(&groups);
        assert!(addresses.iter().all(|group| matches!(group[..], [addr] if addr.ip().is_unspecified())));
        let taken = ListenAddr { host: None, port: addresses[0][0].port() };
        assert_eq!(listen(&taken, 1).unwrap_err().to_string(), format!("cannot listen on {taken}"));
    }
}
