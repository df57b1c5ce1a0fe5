use fault_proxy_engine::Fault;
use serde_json::{Map, Value};

/// Dialect of the types and parameters of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Names of the Toxiproxy API.
    Toxiproxy,
    /// Names of flags and configuration files.
    Native,
}

/// A fault as given and as applied. [`record`](crate::record) and the API create it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultRecord {
    /// Name, unique within its proxy.
    pub name: String,
    /// Type as given: `latency`, `packet_loss`.
    pub kind: String,
    /// `upstream` or `downstream`, as given.
    pub stream: String,
    /// Share of sessions, as given.
    pub toxicity: f64,
    /// Parameters of its type.
    pub attributes: Map<String, Value>,
    /// The fault as applied, with this [`name`](Self::name). `None` if it has no effect.
    pub fault: Option<Fault>,
    pub(crate) vocabulary: Dialect,
}

/// Returns the faults that have an effect.
pub(super) fn effective(records: &[FaultRecord]) -> Vec<Fault> {
    records.iter().filter_map(|record| record.fault.clone()).collect()
}
