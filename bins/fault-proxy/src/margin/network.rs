//! The proxies of one run of the command.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_control::proxies::{Proxies, Proxy};
use fault_proxy_engine::{Engine, Target};
use fault_proxy_relay::{Relay, Shutdown};
use proxy_cli::workers::Workers;
use tokio::time::{sleep, timeout};

use super::obstacle::{Observed, Unreached};
use crate::config::{ConfiguredFault, ProxySettings, Settings};
use crate::host::{CountedProxies, ProxyHost};
use crate::run::{config, engine_settings, thread_count};
use crate::start::{spec, start_error};
use crate::wire::Wire;

/// Time for a proxy to accept a connection or to reach an upstream, and the interval to look.
const WAIT_TIMEOUT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Reasons why a session was not opened that are those of the upstream.
const UPSTREAM_REASONS: [&str; 5] = ["resolve", "refused", "unreachable", "timed_out", "handshake"];

/// Starts the proxies of each run.
#[derive(Debug)]
pub(super) struct Networks<'a> {
    settings: &'a Settings,
    wire: Arc<Wire>,
    relay: Relay,
}

/// Proxies, which listen. Each run has new ones, so that sessions, counts of sessions and schedules begin again.
#[derive(Debug)]
pub(super) struct Network {
    proxies: Proxies,
    /// Names of the proxies whose faults delay or refuse sessions before they connect to the upstream.
    delayed: BTreeSet<String>,
    shutdown: Shutdown,
    workers: Workers,
}

impl<'a> Networks<'a> {
    pub(super) fn new(settings: &'a Settings, wire: &Arc<Wire>) -> Self {
        Self { settings, wire: Arc::clone(wire), relay: Relay::new(config(settings)) }
    }

    /// Starts these proxies.
    ///
    /// # Errors
    /// A port cannot be bound, or the system refuses a thread.
    pub(super) async fn start(&self, all: &[ProxySettings], seed: u64) -> Result<Network> {
        let shutdown = Shutdown::new();
        let workers = Workers::start(thread_count(), &shutdown)?;
        let counted = CountedProxies::Named(Default::default());
        let (handle, relay) = (workers.handle().clone(), self.relay.clone());
        let host = ProxyHost::new(self.wire.clone(), handle, relay, shutdown.clone(), false, counted);
        let engine = Engine::new(engine_settings(self.settings, seed));
        let proxies = Proxies::new(host, engine, env!("CARGO_PKG_VERSION"), None);
        let delayed = all.iter().filter(|proxy| proxy.faults.iter().any(acts_before_connect));
        let delayed = delayed.map(|proxy| proxy.name.clone()).collect();
        let network = Network { proxies, delayed, shutdown, workers };
        for proxy in all {
            let spec = spec(proxy, self.settings.run.bind);
            let created = network.proxies.create(spec).await;
            if let Err(error) = created.map_err(|error| start_error(error, proxy)) {
                network.stop()?;
                return Err(error);
            }
        }
        Ok(network)
    }
}

impl Network {
    /// Returns the variables for the command: the address of the first proxy, and of each by its name.
    pub(super) fn variables(&self, all: &[ProxySettings]) -> Result<Vec<(String, String)>> {
        let mut variables = Vec::new();
        for (index, settings) in all.iter().enumerate() {
            let addr = address(&self.proxies.get(&settings.name)?)?;
            let name = settings.has_name().then(|| in_variable(&settings.name));
            let first = (index == 0).then(String::new);
            for infix in first.into_iter().chain(name.map(|name| format!("{name}_"))) {
                let mut add = |part: &str, value: String| {
                    variables.push((format!("FAULT_PROXY_{infix}{part}"), value));
                };
                add("ADDR", addr.to_string());
                add("HOST", addr.ip().to_string());
                add("PORT", addr.port().to_string());
            }
        }
        Ok(variables)
    }

    /// Waits for a proxy to accept a connection, which the command may have closed already.
    pub(super) async fn wait_for_client(&self) {
        self.wait_until(|all| all.iter().any(|proxy| proxy.watch.live().stats().sessions > 0)).await;
    }

    /// Waits until each session has either reached its upstream or failed.
    pub(super) async fn wait_for_upstreams(&self) {
        self.wait_until(|all| {
            all.iter().all(|proxy| pending(proxy) == 0 || self.delayed.contains(&proxy.name))
        })
        .await;
    }

    /// Waits until the fault with this name has acted, because the command may end before the proxy has received its data.
    pub(super) async fn wait_for_action(&self, fault: &str) {
        self.wait_until(|all| has_acted(all, fault)).await;
    }

    async fn wait_until(&self, condition: impl Fn(&[Proxy]) -> bool) {
        let met = async {
            while !condition(&self.proxies.all()) {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(WAIT_TIMEOUT, met).await.ok();
    }

    /// Returns what the proxies saw. The fault of this name is the varied one.
    pub(super) fn observed(&self, fault: &str) -> Observed {
        let all = self.proxies.all();
        let acted = has_acted(&all, fault);
        let used = all.iter().any(|proxy| proxy.watch.live().stats().sessions > 0);
        let unreached = self.proxies.state().proxies.into_iter().filter_map(|state| {
            let proxy = all.iter().find(|proxy| proxy.name == state.name)?;
            let last_failure = state.last_failure.map(|failure| failure.message);
            let reason = reason_unreached(proxy, last_failure)?;
            Some((state.name, Unreached { upstream: state.upstream, reason }))
        });
        Observed { acted, used, unreached: unreached.collect() }
    }

    /// Resets all sessions and stops the proxies.
    ///
    /// # Errors
    /// A worker thread failed.
    pub(super) fn stop(self) -> Result<()> {
        self.shutdown.abort();
        self.workers.join()
    }
}

fn has_acted(all: &[Proxy], fault: &str) -> bool {
    let stats = all.iter().flat_map(|proxy| proxy.engine.stats());
    stats.filter(|(of, _)| of.name == fault).any(|(of, stats)| stats.has_acted(&of.effect))
}

/// Returns the reason if the proxy had sessions that could not connect to the upstream, and no others. Sessions that still wait may wait for
/// their client.
fn reason_unreached(proxy: &Proxy, last_failure: Option<String>) -> Option<String> {
    let stats = proxy.watch.live().stats();
    let reasons = || stats.ends.by_reason().filter(|(reason, count)| *reason != "failed" && *count > 0);
    let not_opened: u64 = reasons().map(|(_, count)| count).sum();
    let (reason, _) = reasons().find(|(reason, _)| UPSTREAM_REASONS.contains(reason))?;
    (stats.sessions <= not_opened + pending(proxy)).then(|| last_failure.unwrap_or_else(|| reason.to_owned()))
}

/// Returns the number of sessions without a connection to the upstream.
fn pending(proxy: &Proxy) -> u64 {
    let open = proxy.watch.live().open(usize::MAX);
    open.iter().filter(|session| session.upstream().is_none()).count() as u64
}

fn acts_before_connect(given: &ConfiguredFault) -> bool {
    given.params.fault_type().target == Target::Opening
}

/// Returns the address for clients on this machine.
fn address(proxy: &Proxy) -> Result<SocketAddr> {
    let listen = proxy.listen.to_string();
    let mut addr: SocketAddr = listen.parse().with_context(|| format!("{listen} is not an IP address"))?;
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(addr)
}

/// Returns a name as a part of the name of a variable.
fn in_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
