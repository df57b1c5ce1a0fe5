//! Resolution of listen addresses.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fault_proxy_mapping::{Host, HostName, ListenAddr, ParseError};

/// Time limit for the DNS lookup of a listen address.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves a listen address to at least one address, IPv4 first. Blocks for up to 5 s.
/// A listen address for all interfaces resolves to the unspecified IPv6 address, which accepts IPv4 too,
/// followed by the unspecified IPv4 address for systems without IPv6.
///
/// # Errors
/// Returns the error of the system's resolver, or [`io::ErrorKind::TimedOut`] if no name server responds
/// within the limit.
pub fn addresses(ListenAddr { host, port }: &ListenAddr) -> io::Result<Vec<SocketAddr>> {
    let port = *port;
    Ok(match host {
        None => vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()],
        Some(Host::V4(ip)) => vec![(*ip, port).into()],
        Some(Host::V6(ip)) => vec![(*ip, port).into()],
        Some(Host::Name(name)) => {
            let mut addresses = look_up(name, port)?;
            addresses.sort_by_key(SocketAddr::is_ipv6);
            let mut seen = HashSet::new();
            addresses.retain(|addr| seen.insert(*addr));
            addresses
        }
    })
}

fn look_up(name: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (sender, found) = mpsc::sync_channel(1);
    let name = name.to_string();
    // The system's resolver cannot be interrupted, so a separate thread waits for it and ends with the
    // lookup.
    thread::Builder::new()
        .spawn(move || sender.send((&*name, port).to_socket_addrs().map(Iterator::collect)).ok())?;
    let found: Vec<_> = found.recv_timeout(RESOLVE_TIMEOUT).unwrap_or_else(|_| {
        let problem = format!("the name did not resolve within {RESOLVE_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, problem))
    })?;
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// Listen address, or `None` for `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub Option<ListenAddr>);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|addr| Self(Some(addr))).map_err(|error: ParseError| format!("{error}, or off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_host_or_of_all_interfaces() {
        for (text, found) in [
            ("127.0.0.2:80", &["127.0.0.2:80"][..]),
            ("[::1]:80", &["[::1]:80"]),
            (":80", &["[::]:80", "0.0.0.0:80"]),
        ] {
            let found: Vec<_> = found.iter().map(|addr| addr.parse().unwrap()).collect();
            assert_eq!(addresses(&text.parse().unwrap()).unwrap(), found);
        }
        let found = addresses(&"localhost:80".parse().unwrap()).unwrap();
        assert!(found.contains(&([127, 0, 0, 1], 80).into()), "{found:?}");
        assert!(found.is_sorted_by_key(SocketAddr::is_ipv6), "{found:?}");
    }

    #[test]
    fn an_endpoint_can_be_off() {
        assert_eq!("off".parse::<Endpoint>().unwrap().0, None);
        assert_eq!(":1".parse::<Endpoint>().unwrap().0, Some(":1".parse().unwrap()));
        let refused = "of".parse::<Endpoint>().unwrap_err();
        assert!(refused.ends_with("hint: write HOST:PORT, or :PORT for all interfaces, or off"), "{refused}");
    }
}
