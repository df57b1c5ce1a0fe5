//! Upstreams as clients of the compatible API write them: without a host, or with the name of a service for the port.

use std::borrow::Cow;
use std::fs;

const SERVICES: &str = "/etc/services";

/// The upstream as a mapping has it. `:6379` is this machine, and `db:redis` has the port that the system knows `redis` by.
pub(crate) fn spelled_out(upstream: &str) -> Cow<'_, str> {
    with_services(upstream, || fs::read_to_string(SERVICES).unwrap_or_default())
}

fn with_services(upstream: &str, services: impl FnOnce() -> String) -> Cow<'_, str> {
    let Some((host, port)) = upstream.rsplit_once(':').filter(|_| !upstream.contains('/')) else {
        return upstream.into();
    };
    let host = if host.is_empty() { "localhost" } else { host };
    if port.is_empty() || port.bytes().all(|c| c.is_ascii_digit()) || host == "unix" {
        return if upstream.starts_with(':') { format!("{host}:{port}").into() } else { upstream.into() };
    }
    match port_of(port, &services()) {
        Some(port) => format!("{host}:{port}").into(),
        None => upstream.into(),
    }
}

/// As services(5) has them: a name, a port with its protocol, and other names.
fn port_of(name: &str, services: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (first == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_services_that_are_left_out_are_filled_in() {
        const SERVICES: &str =
            "# comment\nredis\t6379/udp\nredis\t6379/tcp # no\npostgresql 5432/tcp postgres\n";
        for (given, expected) in [
            (":6379", "localhost:6379"),
            ("localhost:redis", "localhost:6379"),
            ("db:postgres", "db:5432"),
            (":redis", "localhost:6379"),
            ("[::1]:redis", "[::1]:6379"),
            ("db:80", "db:80"),
            ("db", "db"),
            ("db:", "db:"),
            ("db:nonsense", "db:nonsense"),
            ("psqls://db:redis", "psqls://db:redis"),
            ("unix:/run/x", "unix:/run/x"),
        ] {
            assert_eq!(with_services(given, || SERVICES.to_owned()), expected, "{given}");
        }
    }
}
