//! Checks that listeners do not need the same port.

use anyhow::{Result, bail};
use fault_proxy_mapping::{Host, ListenAddr};

use super::Settings;

/// Returns an error if two listeners of the run need the same port. Does not resolve names.
///
/// # Errors
/// The error names both listeners.
pub(super) fn refuse_shared(settings: &Settings) -> Result<()> {
    let bind = settings.run.bind;
    let proxies = settings.proxies.iter().map(|proxy| &proxy.mapping);
    let proxies = proxies.map(|mapping| (format!("--proxy {mapping}"), mapping.listen.addr(bind)));
    let specs = settings.populate.iter().filter(|spec| spec.enabled);
    let specs = specs.map(|spec| (format!("--toxiproxy-config: {}", spec.name), spec.listen.clone()));
    // A run continues if the default port of the control API is in use.
    let control = settings.control.iter().filter(|control| !control.is_default);
    let control = control.map(|control| (format!("--control {}", control.addr), control.addr.clone()));
    let metrics = settings.metrics.iter().map(|addr| (format!("--metrics {addr}"), addr.clone()));
    let all: Vec<_> = proxies.chain(specs).chain(control).chain(metrics).collect();
    for (index, (listener, addr)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..index].iter().find(|(_, other)| is_shared(addr, other)) {
            bail!("{other} and {listener} listen on the same port: use different ports");
        }
    }
    Ok(())
}

fn is_shared(one: &ListenAddr, other: &ListenAddr) -> bool {
    let is_port_shared = one.port == other.port && one.port != 0;
    is_port_shared && (one.host == other.host || covers(one, other) || covers(other, one))
}

/// Returns true if a listener on all interfaces also uses the port of the other listener.
fn covers(all: &ListenAddr, other: &ListenAddr) -> bool {
    match &all.host {
        None => true,
        // A listener on the unspecified IPv6 address accepts IPv4 too.
        Some(Host::V6(ip)) => ip.is_unspecified(),
        Some(Host::V4(ip)) => ip.is_unspecified() && !matches!(other.host, Some(Host::V6(_))),
        Some(Host::Name(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shared_on_the_same_address_or_on_all_interfaces() {
        let is_shared = |one: &str, other: &str| {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(is_shared(&one, &other), is_shared(&other, &one));
            is_shared(&one, &other)
        };
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("localhost:80", "localhost:80"),
            (":80", "127.0.0.1:80"),
            (":80", "[::1]:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "localhost:80"),
        ] {
            assert!(is_shared(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "[::1]:80"),
        ] {
            assert!(!is_shared(one, other), "{one} {other}");
        }
    }
}
