use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::error::{ParseError, Refusal};
use crate::host::{self, Host};
use crate::kind::ErrorKind;
use crate::port;

/// An address to bind: `HOST:PORT`, or `:PORT` for all interfaces.
///
/// Parsing ignores whitespace around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenAddr {
    /// A name or an address; `None` is all interfaces.
    pub host: Option<Host>,
    /// The TCP port; 0 is any that is free.
    pub port: u16,
}

impl ListenAddr {
    /// Parses an address whose port may be the name of a service. `port_for` returns the port of a name, if it has one.
    ///
    /// # Errors
    /// Returns an error if the text is not such an address, as [`FromStr`] does.
    pub fn with_services(text: &str, port_for: impl FnOnce(&str) -> Option<u16>) -> Result<Self, ParseError> {
        let text = text.trim();
        parse(text, port_for).map_err(|refusal| {
            let is_bare = refusal.kind == ErrorKind::Ipv6WithoutBrackets;
            let (host, port) = text.split_at(refusal.span.end);
            let suggestion = is_bare.then(|| format!("[{}]{port}", without_zone(host)));
            ParseError::new(text, refusal, suggestion)
        })
    }
}

impl FromStr for ListenAddr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::with_services(text, |_| None)
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self { host: Some(addr.ip().into()), port: addr.port() }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write_host_port(f, host, self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

pub(crate) fn write_host_port(f: &mut fmt::Formatter<'_>, host: &Host, port: u16) -> fmt::Result {
    match host {
        Host::V6(address) => write!(f, "[{address}]:{port}"),
        Host::Name(_) | Host::V4(_) => write!(f, "{host}:{port}"),
    }
}

fn parse(text: &str, port_for: impl FnOnce(&str) -> Option<u16>) -> Result<ListenAddr, Refusal> {
    let whole = 0..text.len();
    let (host, port) = text.rsplit_once(':').ok_or(Refusal::new(ErrorKind::ListenAddrWithoutPort, whole))?;
    let host_span = 0..host.len();
    let start = host.len() + 1;
    let port = port::parse_any(port).or_else(|refusal| port_for(port).ok_or(refusal.at(start)))?;
    let host = if host.is_empty() {
        None
    } else if host.starts_with('[') && host.ends_with(']') {
        Some(host::parse_bracketed(host)?)
    } else if without_zone(host).parse::<Ipv6Addr>().is_ok() {
        return Err(Refusal::new(ErrorKind::Ipv6WithoutBrackets, host_span));
    } else if host.contains(|c: char| c.is_whitespace() || "/?#@".contains(c)) {
        return Err(Refusal::new(ErrorKind::ListenAddrHost, host_span));
    } else {
        Some(host::parse(host)?)
    };
    Ok(ListenAddr { host, port })
}

fn without_zone(host: &str) -> &str {
    host.split_once('%').map_or(host, |(address, _)| address)
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
            let host = host.map(|host| host.parse().unwrap());
            assert_eq!(addr, ListenAddr { host, port: 8080 });
            assert_eq!(addr.to_string(), text);
        }
        assert_eq!(" :0 ".parse(), Ok(ListenAddr { host: None, port: 0 }));
    }

    #[test]
    fn an_invalid_address_is_refused_with_a_span_and_a_hint() {
        for (text, kind, span, hint) in [
            ("8080", ErrorKind::ListenAddrWithoutPort, 0..4, "write HOST:PORT, or :PORT for all interfaces"),
            ("localhost", ErrorKind::ListenAddrWithoutPort, 0..9, "HOST:PORT"),
            ("localhost:", ErrorKind::EmptyPort, 10..10, "a port is a number"),
            ("localhost:65536", ErrorKind::PortOutOfRange, 10..15, "a port is a number"),
            ("localhost:redis", ErrorKind::PortNotANumber, 10..15, "a port is a number"),
            ("tcp://localhost:1", ErrorKind::ListenAddrHost, 0..15, ":PORT for all interfaces"),
            ("a b:1", ErrorKind::ListenAddrHost, 0..3, ":PORT for all interfaces"),
            ("a..b:1", ErrorKind::EmptyLabel, 2..2, "dot"),
            ("[x]:1", ErrorKind::InvalidIpv6, 1..2, "without a zone"),
            ("[::1%lo]:1", ErrorKind::InvalidIpv6, 1..7, "without a zone"),
            ("::1:8080", ErrorKind::Ipv6WithoutBrackets, 0..3, "in brackets: [::1]:8080"),
            ("::1%lo:8080", ErrorKind::Ipv6WithoutBrackets, 0..6, "in brackets: [::1]:8080"),
        ] {
            let error = text.parse::<ListenAddr>().unwrap_err();
            assert_eq!((error.kind(), error.span()), (kind, span), "{text}");
            assert!(error.hint().contains(hint), "{error}");
        }
    }

    #[test]
    fn a_port_may_be_the_name_of_a_known_service() {
        let port_for = |name: &str| (name == "redis").then_some(6379);
        let parsed = |text| ListenAddr::with_services(text, port_for).map(|addr| addr.to_string());
        for (text, addr) in
            [(":redis", ":6379"), ("db:redis", "db:6379"), ("[::1]:redis", "[::1]:6379"), ("db:80", "db:80")]
        {
            assert_eq!(parsed(text).unwrap(), addr);
        }
        assert_eq!(parsed("db:nonsense").unwrap_err().kind(), ErrorKind::PortNotANumber);
        assert_eq!(parsed("db:").unwrap_err().kind(), ErrorKind::EmptyPort);
    }
}
