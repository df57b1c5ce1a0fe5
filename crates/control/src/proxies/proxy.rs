//! Descriptions and states of proxies.

use std::sync::Arc;

use fault_proxy_engine::Faults;
use fault_proxy_mapping::{ListenAddr, Upstream};
use serde_json::{Value, json};

use super::history::RecentState;
use super::record::{FaultRecord, all_shown};
use crate::watch::SessionMetrics;

/// Upstream of a proxy, with its text as given.
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
    /// Unique name in the API. The random decisions of its faults depend on it.
    pub name: String,
    /// Displayed text instead of the name.
    pub label: Option<String>,
    /// Listen address.
    pub listen: ListenAddr,
    /// Upstream of its sessions.
    pub upstream: ProxyUpstream,
    /// Whether it listens.
    pub enabled: bool,
    /// Faults, which apply from the first session on.
    pub faults: Vec<FaultRecord>,
}

/// A change of a proxy. `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Listen address.
    pub listen: Option<ListenAddr>,
    /// New upstream.
    pub upstream: Option<ProxyUpstream>,
    /// Whether it listens.
    pub enabled: Option<bool>,
    /// Required [`Proxy::client_generation`]. The update fails if an API client has changed the proxy since.
    pub required: Option<Generation>,
}

/// State of a proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Name in the API.
    pub name: String,
    /// Displayed text: the label, or the name without a label.
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
    /// Figures of the last five seconds.
    pub recent: RecentState,
    /// Changes when the proxy is created, disabled, or gets another address or upstream.
    pub stop_generation: Generation,
    /// Changes when the proxy is created, and when an API client enables, disables or moves it.
    pub client_generation: Generation,
}

impl Proxy {
    /// Returns the proxy in the form of the API.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "listen": self.listen.to_string(),
            "upstream": self.upstream.text,
            "enabled": self.enabled,
            "toxics": all_shown(&self.faults),
        })
    }
}

/// Token of a period in the life of a proxy. It is equal to its clones only.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<()>);

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Generation {}
