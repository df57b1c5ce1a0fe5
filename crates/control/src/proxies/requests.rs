//! Counts of the requests of proxies.

use fault_proxy_engine::{Protocol, RequestStats};
use serde::{Deserialize, Serialize};

use super::{Proxy, TimesState, protocol_of};

/// Counts of the requests of a proxy, in the sessions whose requests are read.
#[derive(Debug, Serialize)]
pub(crate) struct ProxyRequests {
    name: String,
    /// Protocol of its requests, which the scheme of the upstream names: `http`, `psql` or `redis`.
    pub(super) protocol: Option<&'static str>,
    /// True if sessions that begin now count their requests.
    counted: bool,
    /// Counts of each kind of request, in the order of their names.
    pub(super) requests: Vec<RequestsState>,
    /// Number of sessions whose requests could not be read to their end.
    pub(super) sessions_opaque: u64,
}

/// Counts of requests of one kind, as in [`RequestStats`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "RequestStats describes them")]
pub struct RequestsState {
    pub kind: String,
    pub requests: u64,
    pub forwarded: u64,
    pub answered: u64,
    pub delivered: u64,
    pub unconfirmed: u64,
    pub injected: u64,
    /// Times from the first byte of a request until the end of its response was written to the client.
    pub duration_ms: Option<TimesState>,
}

impl ProxyRequests {
    pub(crate) fn from_proxy(proxy: &Proxy) -> Self {
        Self {
            name: proxy.name.clone(),
            protocol: protocol_of(&proxy.upstream.addr).and_then(name_of),
            counted: proxy.engine.is_reading_requests(),
            requests: proxy.engine.request_stats().iter().map(RequestsState::from_stats).collect(),
            sessions_opaque: proxy.engine.opaque_sessions(),
        }
    }
}

/// Returns the name of a protocol in the API.
pub(crate) fn name_of(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Http => Some("http"),
        Protocol::Psql => Some("psql"),
        Protocol::Redis => Some("redis"),
        _ => None,
    }
}

impl RequestsState {
    fn from_stats(stats: &RequestStats) -> Self {
        let RequestStats { requests, forwarded, answered, delivered, unconfirmed, injected, .. } = *stats;
        let duration_ms = stats.duration.map(TimesState::from_quantiles);
        Self {
            kind: stats.kind.to_string(),
            requests,
            forwarded,
            answered,
            delivered,
            unconfirmed,
            injected,
            duration_ms,
        }
    }
}
