//! Detection of upstreams that lead back to listeners of this program.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::iter::successors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Result, bail};
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::Resolver;
use futures_util::future::join_all;
use proxy_cli::addr;
use proxy_cli::workers::runtime;
use tokio::task::spawn_blocking;

use crate::config::Settings;
use crate::wire::Wire;

/// Time limit for a lookup. The relay detects loops through names that take longer.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A proxy with its addresses.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    /// Resolved listen addresses. Empty if the name does not resolve.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) upstream: Upstream,
}

impl Hop {
    /// Returns the host and port of the upstream, or `None` for a Unix socket.
    fn target(&self) -> Option<(String, u16)> {
        match &self.upstream {
            Upstream::Tcp { host, port, .. } => Some((host.to_string(), port.get())),
            Upstream::Unix { .. } => None,
        }
    }
}

/// Resolves a listen address.
pub(crate) async fn addresses(listen: &ListenAddr) -> io::Result<Vec<SocketAddr>> {
    let addr = listen.clone();
    spawn_blocking(move || addr::addresses(&addr)).await.map_err(io::Error::other)?
}

/// Returns an error if the proxies of the settings form a loop. A chain of proxies is accepted.
///
/// # Errors
/// The error names the loop and the addresses to change.
pub(crate) fn refuse(settings: &Settings, wire: &Wire) -> Result<()> {
    if settings.enabled().next().is_none() {
        return Ok(());
    }
    let runtime = runtime()?;
    let found = runtime.block_on(async {
        let hops = settings.enabled().map(async |(_, listen, upstream)| Hop {
            listen: addresses(&listen).await.unwrap_or_default(),
            upstream: upstream.clone(),
        });
        find(&join_all(hops).await, 0, wire.resolver()).await
    });
    // A pending lookup must not delay the start.
    runtime.shutdown_background();
    found.map_or(Ok(()), |problem| bail!(problem))
}

/// Returns an error text if a proxy from `new` on is part of a loop.
pub(crate) async fn find(hops: &[Hop], new: usize, resolver: &Resolver) -> Option<String> {
    let ports: BTreeSet<_> = hops.iter().flat_map(|hop| &hop.listen).map(SocketAddr::port).collect();
    // Only an upstream whose port is the port of a listener can lead back.
    let names: BTreeSet<_> =
        hops.iter().filter_map(Hop::target).filter(|(_, port)| ports.contains(port)).collect();
    let found = names.into_iter().map(async |(host, port)| {
        let found = resolver.resolve_within(&host, port, RESOLVE_TIMEOUT).await;
        ((host, port), found.unwrap_or_default())
    });
    let found: HashMap<_, _> = join_all(found).await.into_iter().collect();
    let targets: Vec<_> = hops
        .iter()
        .map(|hop| hop.target().and_then(|target| found.get(&target)).map_or(&[][..], Vec::as_slice))
        .collect();
    let cycle = (new..hops.len()).find_map(|first| cycle(hops, &targets, first, is_local))?;
    let steps: Vec<_> = cycle
        .iter()
        .map(|at| {
            let Hop { listen, upstream } = &hops[*at];
            let listen = listen.first().map_or_else(String::new, SocketAddr::to_string);
            format!("{listen} connects to {upstream}")
        })
        .collect();
    Some(format!("the proxies form a loop: {}; change one of these addresses", steps.join(", and ")))
}

/// Returns the proxies of a loop through `first`, each of which connects to the next, and the last to the first.
fn cycle(
    hops: &[Hop],
    targets: &[&[SocketAddr]],
    first: usize,
    is_local: impl Fn(IpAddr) -> bool,
) -> Option<Vec<usize>> {
    let leads_to = |from: usize, to: usize| {
        let mut pairs =
            targets[from].iter().flat_map(|target| hops[to].listen.iter().map(move |at| (target, at)));
        pairs.any(|(target, at)| reaches(*target, *at, &is_local))
    };
    // The predecessor of each proxy that was reached.
    let mut reached = vec![None; hops.len()];
    let mut next = vec![first];
    while let Some(at) = next.pop() {
        if leads_to(at, first) {
            let mut path: Vec<_> = successors(Some(at), |at| reached[*at]).collect();
            path.reverse();
            return Some(path);
        }
        let is_new = |to: &usize| *to != first && reached[*to].is_none() && leads_to(at, *to);
        let found: Vec<_> = (0..hops.len()).filter(is_new).collect();
        for to in found {
            reached[to] = Some(at);
            next.push(to);
        }
    }
    None
}

/// Returns true if a connection to `target` arrives at a listener on `at`.
fn reaches(target: SocketAddr, at: SocketAddr, is_local: &impl Fn(IpAddr) -> bool) -> bool {
    let target_ip = match target.ip().to_canonical() {
        // Systems connect to loopback instead of the unspecified address.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let listens_on = at.ip().to_canonical();
    // An IPv6 listener on all interfaces accepts IPv4 too.
    let takes_family = listens_on.is_ipv6() || target_ip.is_ipv4();
    target.port() == at.port()
        && (target_ip == listens_on || listens_on.is_unspecified() && takes_family && is_local(target_ip))
}

/// Returns true for an address of this host. The system uses only such an address as the source for
/// connections to itself. Binding would not be a proof, because `net.ipv4.ip_nonlocal_bind` allows it for
/// every address.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || source_to(ip).is_ok_and(|source| source == ip)
}

/// Returns the source address that the system would use for `ip`, without sending data.
fn source_to(ip: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((ip, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks for a loop in mappings whose upstreams are addresses. `10.0.0.1` belongs to this host.
    fn looped(mappings: &[(&str, &str)]) -> Option<Vec<usize>> {
        let hop = |(listen, to): &(&str, &str)| Hop {
            listen: vec![listen.parse().unwrap()],
            upstream: to.parse().unwrap(),
        };
        let hops: Vec<_> = mappings.iter().map(hop).collect();
        let targets: Vec<_> = mappings.iter().map(|(_, to)| vec![to.parse().unwrap()]).collect();
        let targets: Vec<_> = targets.iter().map(Vec::as_slice).collect();
        let is_local = |ip: IpAddr| ip.is_loopback() || ip == IpAddr::from([10, 0, 0, 1]);
        (0..hops.len()).find_map(|first| cycle(&hops, &targets, first, is_local))
    }

    #[test]
    fn a_proxy_that_reaches_itself_is_a_loop() {
        for (listen, upstream) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("127.0.0.1:1", "0.0.0.0:1"),
            ("[::1]:1", "[::]:1"),
            ("0.0.0.0:1", "127.0.0.9:1"),
            ("0.0.0.0:1", "10.0.0.1:1"),
            ("[::]:1", "10.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("[::]:1", "[::ffff:127.0.0.1]:1"),
        ] {
            assert_eq!(looped(&[(listen, upstream)]), Some(vec![0]), "{listen} {upstream}");
        }
    }

    #[test]
    fn other_ports_hosts_and_families_are_none() {
        for (listen, upstream) in [
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("0.0.0.0:1", "10.0.0.2:1"),
            ("0.0.0.0:1", "[::1]:1"),
            ("[::1]:1", "127.0.0.1:1"),
        ] {
            assert_eq!(looped(&[(listen, upstream)]), None, "{listen} {upstream}");
        }
    }

    #[test]
    fn a_chain_is_no_loop_until_it_is_closed() {
        let mut chain = vec![("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:2", "127.0.0.1:3")];
        assert_eq!(looped(&chain), None);
        chain.push(("127.0.0.1:3", "127.0.0.1:4"));
        chain.push(("127.0.0.1:4", "127.0.0.1:2"));
        assert_eq!(looped(&chain), Some(vec![1, 2, 3]));
    }

    #[test]
    fn addresses_of_this_host_are_known_from_those_of_others() {
        let [elsewhere, elsewhere_too] = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        assert!(!is_local(elsewhere) && !is_local(elsewhere_too));
        // If this host has a route to an address, it has the source address of that route.
        assert!([elsewhere, elsewhere_too].into_iter().filter_map(|ip| source_to(ip).ok()).all(is_local));
    }

    #[tokio::test]
    async fn names_are_looked_up_only_if_their_port_can_lead_back() {
        let resolver = Resolver::with_lookup(|host| match host {
            "here" => Ok(vec![([127, 0, 0, 1], 0).into()]),
            _ => panic!("{host} is of no interest"),
        });
        let hop = |port: u16, to: &str| Hop {
            listen: vec![([127, 0, 0, 1], port).into()],
            upstream: to.parse().unwrap(),
        };
        assert_eq!(find(&[hop(1, "elsewhere:3"), hop(2, "unix:/run/app.sock")], 0, &resolver).await, None);
        let hops = [hop(1, "here:2"), hop(2, "tls://here:1"), hop(3, "127.0.0.1:1")];
        let problem = find(&hops, 0, &resolver).await.unwrap();
        assert!(
            problem.contains("127.0.0.1:1 connects to here:2, and 127.0.0.1:2 connects to tls://here:1"),
            "{problem}"
        );
        assert_eq!(find(&hops, 2, &resolver).await, None, "the new proxy is no part of the loop");
    }

    proptest! {
        #[test]
        fn every_loop_that_is_found_is_one_and_none_is_missed(upstreams in prop::collection::vec(0u16..8, 1..8)) {
            let count = u16::try_from(upstreams.len()).unwrap();
            let addr = |port: u16| SocketAddr::from(([127, 0, 0, 1], port + 1));
            let hop = |(port, to): (u16, &u16)| Hop {
                listen: vec![addr(port)],
                upstream: addr(*to).to_string().parse().unwrap(),
            };
            let hops: Vec<_> = (0..count).zip(&upstreams).map(hop).collect();
            let targets: Vec<_> = upstreams.iter().map(|to| [addr(*to)]).collect();
            let targets: Vec<_> = targets.iter().map(|each| &each[..]).collect();
            // Each proxy has one upstream. Following them either leaves the proxies or continues forever.
            let goes_round = |first: u16| {
                let step = |at: &u16| upstreams.get(usize::from(*at)).copied();
                successors(Some(first), step).take(20).count() == 20
            };
            match (0..hops.len()).find_map(|first| cycle(&hops, &targets, first, |ip| ip.is_loopback())) {
                None => prop_assert!(!(0..count).any(goes_round)),
                Some(path) => for (at, from) in path.iter().enumerate() {
                    prop_assert_eq!(usize::from(upstreams[*from]), path[(at + 1) % path.len()]);
                },
            }
        }
    }
}
