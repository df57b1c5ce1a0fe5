use fault_proxy_engine::{Fault, Millis, Protocol, Windows};
use fault_proxy_mapping::{Scheme, Upstream};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::ChangeError;

/// Dialect of the types and parameters of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Names of the Toxiproxy API.
    Toxiproxy,
    /// Names of flags and configuration files.
    Native,
}

/// Time to live of a fault, after which it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ttl {
    /// Length as given.
    pub(crate) time: Millis,
    pub(crate) ends: Instant,
}

impl Ttl {
    /// Creates a time to live that starts `now`.
    pub(crate) fn new(time: Millis, now: Instant) -> Self {
        Self { time, ends: now + time.duration() }
    }
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
    /// Fraction of sessions, as given.
    pub toxicity: f64,
    /// True if the fault acts. A fault that is switched off keeps its parameters and its measurements.
    pub enabled: bool,
    /// Parameters of its type.
    pub attributes: Map<String, Value>,
    /// The fault as applied, with this [`name`](Self::name). `None` if it has no effect.
    pub fault: Option<Fault>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) vocabulary: Dialect,
}

/// Checks that all faults can act in sessions with this upstream.
pub(super) fn check_protocol(records: &[FaultRecord], upstream: &Upstream) -> Result<(), ChangeError> {
    let protocol = protocol_of(upstream);
    for record in records {
        let Some(fault) = &record.fault else { continue };
        let invalid = |error| ChangeError::Invalid(format!("the fault `{}`: {error}", record.name));
        fault.check_protocol(protocol).map_err(invalid)?;
    }
    Ok(())
}

/// Returns the protocol of sessions with this upstream, which its scheme names.
pub fn protocol_of(upstream: &Upstream) -> Option<Protocol> {
    match upstream.scheme()? {
        Scheme::Http | Scheme::Https => Some(Protocol::Http),
        Scheme::Psql | Scheme::Psqls => Some(Protocol::Psql),
        Scheme::Redis | Scheme::Rediss => Some(Protocol::Redis),
        Scheme::Tcp | Scheme::Tls => None,
    }
}

/// Returns the faults that have an effect. Faults that are switched off are included without any windows, so
/// that their measurements are kept.
pub(super) fn effective(records: &[FaultRecord]) -> Vec<Fault> {
    let applied = |record: &FaultRecord| match record.fault.clone()? {
        fault if record.enabled => Some(fault),
        fault => Some(Fault { windows: Windows::never(), ..fault }),
    };
    records.iter().filter_map(applied).collect()
}

/// Returns the fault in the form of the API.
pub(crate) fn shown(record: &FaultRecord) -> Value {
    let mut shown = json!({
        "attributes": record.attributes,
        "name": record.name,
        "type": record.kind,
        "stream": record.stream,
        "toxicity": record.toxicity,
    });
    if !record.enabled {
        shown["enabled"] = json!(false);
    }
    if let Some(ttl) = record.ttl {
        shown["ttl"] = json!(ttl.time);
    }
    shown
}

/// Returns the faults of a proxy in the order of the API, which shows those of the upstream stream first.
pub(crate) fn all_shown(records: &[FaultRecord]) -> Vec<Value> {
    let is_upstream = |record: &&FaultRecord| record.stream.eq_ignore_ascii_case("upstream");
    let (upstream, downstream): (Vec<_>, Vec<_>) = records.iter().partition(is_upstream);
    upstream.into_iter().chain(downstream).map(shown).collect()
}
