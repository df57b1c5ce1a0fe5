use fault_proxy_engine::Fault;
use serde_json::{Map, Value};

/// Names of types and parameters that a fault was given with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Names of the Toxiproxy API.
    Toxiproxy,
    /// Names of flags and configuration files.
    Native,
}

/// A fault as it was given, and as it is applied. Made by [`record`](crate::record), or by the API.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultRecord {
    /// Unique within its proxy.
    pub name: String,
    /// What it is called where it was given: `latency`, `packet_loss`.
    pub kind: String,
    /// `upstream` or `downstream`, as it was written.
    pub stream: String,
    /// The share of sessions, as it was written.
    pub toxicity: f64,
    /// The parameters of its kind.
    pub attributes: Map<String, Value>,
    /// The fault as applied, with this [`name`](Self::name). `None` if it has no effect.
    pub fault: Option<Fault>,
    pub(crate) vocabulary: Dialect,
}

/// Returns the faults that have an effect.
pub(super) fn effective(records: &[FaultRecord]) -> Vec<Fault> {
    records.iter().filter_map(|record| record.fault.clone()).collect()
}
