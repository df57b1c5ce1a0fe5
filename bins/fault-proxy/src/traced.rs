//! Adds decisions of faults to the traces of sessions.

use fault_proxy_engine::{Direction, Journal, JournalEntry};
use proxy_cli::log::TRACED;
use serde_json::{Map, Value};
use tracing::info;

/// Function that records a decision.
pub(crate) type Record = Box<dyn Fn(JournalEntry) + Send + Sync>;

/// Returns a journal that calls `record`, and adds each decision to the trace of its session if `exports_traces`.
pub(crate) fn traced(record: Option<Record>, exports_traces: bool) -> Option<Journal> {
    if exports_traces {
        return Some(Journal::new(move |entry| {
            add_event(&entry);
            if let Some(record) = &record {
                record(entry);
            }
        }));
    }
    record.map(Journal::new)
}

/// Adds an event to the span of the session, in whose task the decision is made.
fn add_event(entry: &JournalEntry) {
    let mut decision: Map<String, Value> = match serde_json::to_value(entry.decision) {
        Ok(Value::Object(decision)) => decision,
        _ => Map::new(),
    };
    let kind = decision.remove("decision").unwrap_or_default();
    let detail = (!decision.is_empty()).then(|| Value::from(decision).to_string());
    let direction = entry.direction.map(|direction| match direction {
        Direction::ToUpstream => "to-upstream",
        Direction::ToDownstream => "to-downstream",
    });
    info!(
        target: TRACED,
        fault = &*entry.fault,
        direction,
        offset = entry.offset,
        decision = kind.as_str(),
        detail,
        "fault decision"
    );
}
