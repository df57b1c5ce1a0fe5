//! States for tests.

use fault_proxy_control::proxies::{FaultState, ProxyState, RecentState, State};
use serde_json::Map;

/// Returns a fault that is on and has not acted.
pub(super) fn fault(name: &str) -> FaultState {
    FaultState {
        name: name.to_owned(),
        kind: "latency".to_owned(),
        stream: "downstream".to_owned(),
        toxicity: 1.0,
        attributes: Map::new(),
        description: "latency 5 ms".to_owned(),
        enabled: true,
        on: true,
        windows: vec![(0, None)],
        sessions: 0,
        applied: 0,
        used_up: false,
        acted: false,
        asked_ms: None,
        held_ms: None,
        late_ms: None,
        bytes_per_second: None,
        segments: 0,
        lost: 0,
        loss_share: None,
    }
}

/// Returns a proxy without faults.
pub(super) fn proxy(name: &str) -> ProxyState {
    ProxyState {
        name: name.to_owned(),
        label: format!("{name}=db:5432"),
        listen: "127.0.0.1:6000".to_owned(),
        upstream: "db:5432".to_owned(),
        enabled: true,
        sessions_total: 3,
        sessions_active: 2,
        sessions_failed: 0,
        last_failure: None,
        recent: RecentState::default(),
        bytes_to_upstream: 0,
        bytes_to_client: 0,
        held_bytes: 0,
        byte_ms_to_upstream: 0.0,
        byte_ms_to_client: 0.0,
        protocol: None,
        requests: Vec::new(),
        sessions_opaque: 0,
        faults: Vec::new(),
        sessions: Vec::new(),
    }
}

pub(super) fn state(uptime_ms: u64, duration_ms: Option<u64>, proxies: Vec<ProxyState>) -> State {
    State { version: String::new(), uptime_ms, duration_ms, seed: 0, changes: 0, proxies }
}
