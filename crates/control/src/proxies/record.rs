use proxy_fault::Fault;
use serde_json::{Map, Value};

/// Whose words a fault was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// The API's.
    Compatible,
    /// That of flags and configuration files.
    Ours,
}

/// A fault as it was given, and as it is applied. Made by [`record`](crate::record), or by the API.
#[derive(Debug, Clone, PartialEq)]
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
    /// What it does, under its [`name`](Self::name); `None`: nothing.
    pub fault: Option<Fault>,
    pub(crate) vocabulary: Vocabulary,
}

/// Those that do something.
pub(super) fn effective(records: &[FaultRecord]) -> Vec<Fault> {
    records.iter().filter_map(|record| record.fault.clone()).collect()
}
