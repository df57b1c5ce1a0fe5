//! Where to listen, as one text.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::vec;

/// Time limit for a look-up of a listen name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// `HOST:PORT`, or `:PORT` for all interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddr {
    /// A name or an IP address, without brackets; `None` is all interfaces.
    pub host: Option<String>,
    /// 0 is any that is free.
    pub port: u16,
}

impl ListenAddr {
    /// On this name or IP address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: Some(host.into()), port }
    }
}

const FORMS: &str = "write HOST:PORT, or :PORT for all interfaces";

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(|| format!("no port; {FORMS}"))?;
        let port = port.parse().map_err(|_| format!("the port is no number up to 65535; {FORMS}"))?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) if host.parse::<Ipv6Addr>().is_err() => {
                return Err("brackets hold an IPv6 address without a zone, as in [::1]".to_owned());
            }
            Some(host) => host,
            None if host.contains(':') => {
                let without_zone = host.split('%').next().unwrap_or(host);
                return Err(format!(
                    "an IPv6 address must be in brackets, without a zone: [{without_zone}]:{port}"
                ));
            }
            None => host,
        };
        if host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(format!("not a host; {FORMS}"));
        }
        Ok(Self { host: Some(host.to_owned()).filter(|host| !host.is_empty()), port })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl ListenAddr {
    /// All addresses of the name, with IPv4 first, as clients of a name try them. Blocks for 5 s at most.
    ///
    /// # Errors
    /// The error of the system's resolver, or [`io::ErrorKind::TimedOut`] if no name server answers in that time.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let is_name = self.host.as_ref().is_some_and(|host| host.parse::<IpAddr>().is_err());
        let mut addresses: Vec<_> = if is_name { self.look_up()? } else { self.to_socket_addrs()?.collect() };
        if self.host.is_some() {
            addresses.sort_by_key(SocketAddr::is_ipv6);
        }
        let mut seen = HashSet::new();
        addresses.retain(|addr| seen.insert(*addr));
        Ok(addresses)
    }

    fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let (sender, found) = mpsc::sync_channel(1);
        let addr = self.clone();
        // The system's resolver cannot be interrupted, so a thread waits for it. It ends with the look-up.
        thread::Builder::new()
            .spawn(move || sender.send(addr.to_socket_addrs().map(Iterator::collect)).ok())?;
        found.recv_timeout(RESOLVE_TIMEOUT).unwrap_or_else(|_| {
            let problem = format!("the name did not resolve within {RESOLVE_TIMEOUT:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, problem))
        })
    }
}

/// For all interfaces: that of IPv6, which takes IPv4 too, or else, on a system without IPv6, that of IPv4.
impl ToSocketAddrs for ListenAddr {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let port = self.port;
        match &self.host {
            Some(host) => (host.as_str(), port).to_socket_addrs(),
            None => {
                let all = [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
                Ok(Vec::from(all).into_iter())
            }
        }
    }
}

/// Where to listen, or `off` for nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Not at all.
    Off,
    /// There.
    At(ListenAddr),
}

impl Endpoint {
    /// `None` is off.
    pub fn addr(self) -> Option<ListenAddr> {
        match self {
            Self::Off => None,
            Self::At(addr) => Some(addr),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(addr) => addr.fmt(f),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|problem: String| format!("{problem}, or off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_an_address_or_all_interfaces() {
        for (text, host) in [
            (":8080", None),
            ("0.0.0.0:8080", Some("0.0.0.0")),
            ("localhost:8080", Some("localhost")),
            ("[::1]:8080", Some("::1")),
        ] {
            let addr: ListenAddr = text.parse().unwrap();
            assert_eq!(addr, ListenAddr { host: host.map(str::to_owned), port: 8080 });
            assert_eq!(addr.to_string(), text);
            assert!(addr.to_socket_addrs().unwrap().all(|addr| addr.port() == 8080));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        let refused = |text: &str| text.parse::<ListenAddr>().unwrap_err();
        for text in ["8080", "localhost", "localhost:", "localhost:65536", "tcp://localhost:1", "[x]:1"] {
            refused(text);
        }
        assert!(refused("8080").contains(":PORT for all interfaces"));
        for text in ["::1:8080", "::1%lo:8080"] {
            assert!(refused(text).contains("without a zone: [::1]:8080"), "{}", refused(text));
        }
        assert!(refused("[::1%lo]:8080").contains("without a zone"));
    }

    #[test]
    fn an_endpoint_can_be_off() {
        assert_eq!("off".parse::<Endpoint>().unwrap().addr(), None);
        assert_eq!(":1".parse::<Endpoint>().unwrap().addr(), Some(":1".parse().unwrap()));
        assert!("of".parse::<Endpoint>().unwrap_err().contains("or off"));
    }
}
