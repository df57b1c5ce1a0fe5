//! Proxies as they are to be, and as they are.

use std::sync::Arc;

use fault_proxy_engine::Faults;
use fault_proxy_mapping::{ListenAddr, Upstream};

use super::record::FaultRecord;
use crate::watch::SessionMetrics;

/// Upstream of a proxy, with the text that users wrote and are shown for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUpstream {
    /// The upstream.
    pub addr: Upstream,
    /// Its text, such as `:6379` for `localhost:6379`.
    pub text: String,
}

impl From<Upstream> for ProxyUpstream {
    fn from(addr: Upstream) -> Self {
        Self { text: addr.to_string(), addr }
    }
}

/// Description of a proxy to create.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Unique, and how it is addressed. It also names the draws of its faults.
    pub name: String,
    /// Text for people instead of the name.
    pub label: Option<String>,
    /// Where to listen.
    pub listen: ListenAddr,
    /// Upstream of its sessions.
    pub upstream: ProxyUpstream,
    /// Whether it listens.
    pub enabled: bool,
    /// In force before the first session.
    pub faults: Vec<FaultRecord>,
}

/// A change of a proxy. `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Where to listen.
    pub listen: Option<ListenAddr>,
    /// New upstream.
    pub upstream: Option<ProxyUpstream>,
    /// Whether it listens.
    pub enabled: Option<bool>,
}

/// A proxy as it is.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Name in the API.
    pub name: String,
    /// Text for people: the label, or the name without one.
    pub label: String,
    /// The address it listens on, or the requested one while it does not listen.
    pub listen: ListenAddr,
    /// Upstream of its sessions.
    pub upstream: ProxyUpstream,
    /// Whether it listens.
    pub enabled: bool,
    /// Faults as given, in the order in which they were added.
    pub faults: Vec<FaultRecord>,
    /// Faults as applied.
    pub engine: Faults,
    /// Observer of its sessions.
    pub watch: SessionMetrics,
    /// Changes when the proxy is created, disabled, or gets another address or upstream.
    pub stop_generation: Generation,
}

/// A moment in the life of a proxy. It equals its clones, and no other moment of any proxy.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<()>);

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Generation {}
