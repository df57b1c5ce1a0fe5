//! Addresses of Toxiproxy clients: upstreams without a host, and service names instead of ports.

use std::fs;
use std::num::NonZeroU16;

use fault_proxy_mapping::{ErrorKind, Host, ListenAddr, ParseError, Upstream};

use crate::proxies::ProxyUpstream;

const SERVICES: &str = "/etc/services";

/// Parses a listen address.
///
/// # Errors
/// Returns an error that describes the problem and what to write instead.
pub(super) fn listen(text: &str) -> Result<ListenAddr, String> {
    let addr = ListenAddr::with_services(text, system_port);
    addr.map_err(|error: ParseError| format!("listen `{text}`: {}", error.in_one_line()))
}

/// Parses an upstream: the right side of a mapping, `:6379` for this machine, or `db:redis`.
///
/// # Errors
/// Returns an error that describes the problem and what to write instead.
pub(super) fn upstream(text: &str) -> Result<ProxyUpstream, String> {
    let addr = read_upstream(text, system_port).map_err(|kind| {
        let way_out = match kind {
            ErrorKind::InvalidIpv6 => kind.hint(),
            _ => "write HOST:PORT, SCHEME://HOST, SCHEME://HOST:PORT or unix:/PATH",
        };
        format!("upstream `{text}`: {kind}; {way_out}")
    })?;
    Ok(ProxyUpstream { addr, text: text.to_owned() })
}

fn read_upstream(text: &str, port_for: impl FnOnce(&str) -> Option<u16>) -> Result<Upstream, ErrorKind> {
    let kind = match text.parse::<Upstream>() {
        Ok(upstream) => return Ok(upstream),
        Err(error) => error.kind(),
    };
    match ListenAddr::with_services(text, port_for) {
        // `unix:http` is a path without its slash.
        _ if kind == ErrorKind::RelativeUnixPath || kind == ErrorKind::Whitespace => Err(kind),
        Ok(ListenAddr { host, port }) => {
            let host = host.unwrap_or_else(this_machine);
            let port = NonZeroU16::new(port).ok_or(ErrorKind::PortOutOfRange)?;
            Ok(Upstream::Tcp { scheme: None, host, port })
        }
        Err(error) if kind == ErrorKind::EmptyHost => Err(error.kind()),
        Err(_) => Err(kind),
    }
}

/// Returns the port of a service from the system's list.
fn system_port(name: &str) -> Option<u16> {
    port_for(name, &fs::read_to_string(SERVICES).ok()?)
}

/// Finds a service in a text in the format of services(5): a name, a port with its protocol, and aliases.
fn port_for(name: &str, services: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (first == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
    })
}

fn this_machine() -> Host {
    "localhost".parse().expect("a host name")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: &str = "# comment\nredis\t6379/udp\nredis\t6379/tcp # no\npostgresql 5432/tcp postgres\n";

    #[test]
    fn hosts_and_services_that_are_left_out_are_filled_in() {
        for (given, expected) in [
            (":6379", "localhost:6379"),
            ("localhost:redis", "localhost:6379"),
            ("db:postgres", "db:5432"),
            (":redis", "localhost:6379"),
            ("[::1]:redis", "[::1]:6379"),
            ("tcp:redis", "tcp:6379"),
            ("db:80", "db:80"),
            ("psqls://db", "psqls://db:5432"),
            ("unix:/run/x", "unix:/run/x"),
        ] {
            let read = read_upstream(given, |name| port_for(name, SERVICES));
            assert_eq!(read.map(|upstream| upstream.to_string()), Ok(expected.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_is_no_upstream_is_refused_for_what_is_wrong_with_it() {
        for (given, kind) in [
            ("db", ErrorKind::MissingPort),
            ("db:", ErrorKind::EmptyPort),
            (":", ErrorKind::EmptyPort),
            (":0", ErrorKind::PortOutOfRange),
            (":99999", ErrorKind::PortOutOfRange),
            (":nonsense", ErrorKind::PortNotANumber),
            ("db:nonsense", ErrorKind::PortNotANumber),
            ("psqls://db:redis", ErrorKind::PortNotANumber),
            ("unix:redis", ErrorKind::RelativeUnixPath),
            (" db:redis", ErrorKind::Whitespace),
            ("ftp://db", ErrorKind::UnknownScheme),
            ("::1:redis", ErrorKind::Ipv6WithoutBrackets),
        ] {
            assert_eq!(read_upstream(given, |name| port_for(name, SERVICES)), Err(kind), "{given}");
        }
    }
}
