//! The proxies of one run of the command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_control::proxies::{Proxies, Proxy};
use fault_proxy_engine::Engine;
use fault_proxy_relay::{Relay, Shutdown};
use tokio::time::{sleep, timeout};

use crate::config::{ProxySettings, Settings};
use crate::host::{CountedProxies, ProxyHost};
use crate::run::{config, engine_settings, thread_count};
use crate::serve::Workers;
use crate::start::{spec, start_error};
use crate::wire::Wire;

/// Time for a proxy to accept a connection, and the interval to look.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

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
        let (hands, relay) = (workers.hands().clone(), self.relay.clone());
        let host = ProxyHost::new(self.wire.clone(), hands, relay, shutdown.clone(), false, counted);
        let engine = Engine::new(engine_settings(self.settings, seed));
        let proxies = Proxies::new(host, engine, env!("CARGO_PKG_VERSION"), None);
        let network = Network { proxies, shutdown, workers };
        for proxy in all {
            let spec = spec(proxy, self.settings.run.bind);
            let created = network.proxies.create(spec).await;
            if let Err(error) = created.map_err(|error| start_error(error, proxy)) {
                network.stop("")?;
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

    /// Returns whether a client has connected. Waits for a proxy to accept a connection that the command has already closed.
    pub(super) async fn is_used(&self) -> bool {
        let accepted = async {
            while self.proxies.all().iter().all(|proxy| proxy.watch.live().stats().sessions == 0) {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(ACCEPT_TIMEOUT, accepted).await.is_ok()
    }

    /// Resets all sessions and stops the proxies. Returns whether the fault of this name acted.
    ///
    /// # Errors
    /// A worker thread failed.
    pub(super) fn stop(self, fault: &str) -> Result<bool> {
        let all = self.proxies.all();
        let stats = all.iter().flat_map(|proxy| proxy.engine.stats());
        let acted = stats.filter(|(of, _)| of.name == fault).any(|(of, stats)| stats.has_acted(&of.effect));
        self.shutdown.abort();
        self.workers.join()?;
        Ok(acted)
    }
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
