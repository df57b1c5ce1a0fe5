//! Toxics of Toxiproxy. Attributes are whole numbers of milliseconds, microseconds, KB per second or bytes.

use std::time::Duration;

use fault_proxy_engine::faults::{Bandwidth, Latency, LimitData, ResetOnData, Slicer, SlowClose, Timeout};
use fault_proxy_engine::{Delay, Effect, Fault};
use serde_json::{Map, Value};

use super::common::{Common, ToxicError, default_name, flows, renamed};
use super::json;
use crate::proxies::{Dialect, FaultRecord};

/// The toxics with their fields.
pub(super) const TOXICS: [(&str, &[&str]); 8] = [
    ("latency", &["latency", "jitter"]),
    ("bandwidth", &["rate"]),
    ("slow_close", &["delay"]),
    ("timeout", &["timeout"]),
    ("reset_peer", &["timeout"]),
    ("slicer", &["average_size", "size_variation", "delay"]),
    ("limit_data", &["bytes"]),
    ("noop", &[]),
];

/// Returns the fields of a toxic, or `None` for an unknown one.
pub(super) fn fields(kind: &str) -> Option<&'static [&'static str]> {
    TOXICS.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields)
}

pub(super) fn parse(kind: &str, fields: &[&str], common: Common<'_>) -> Result<FaultRecord, ToxicError> {
    let stream = common.stream.unwrap_or_else(|| "downstream".to_owned());
    let mut attributes = Map::new();
    for field in fields {
        let value = json::whole(common.attributes, field)?.unwrap_or(0);
        attributes.insert((*field).to_owned(), value.into());
    }
    let mut record = FaultRecord {
        name: common.name.unwrap_or_else(|| default_name(kind, &stream)),
        kind: kind.to_owned(),
        stream,
        toxicity: common.toxicity,
        enabled: true,
        attributes,
        fault: None,
        ttl: common.ttl,
        vocabulary: Dialect::Toxiproxy,
    };
    record.fault = fault(&record)?;
    Ok(record)
}

/// Overwrites the given fields of a toxic.
pub(super) fn merge(record: &mut FaultRecord, given: &Map<String, Value>) -> Result<(), ToxicError> {
    for field in fields(&record.kind).unwrap_or_default() {
        if let Some(value) = json::whole(given, field)? {
            record.attributes.insert((*field).to_owned(), value.into());
        }
    }
    record.fault = fault(record)?;
    Ok(())
}

fn fault(record: &FaultRecord) -> Result<Option<Fault>, ToxicError> {
    let field = |name: &str| record.attributes.get(name).and_then(Value::as_i64).unwrap_or(0);
    let flows = flows(&record.stream).ok_or(ToxicError::Stream)?;
    Ok(effect(&record.kind, field).map(|effect| Fault {
        directions: flows,
        ..renamed(Fault::new("", effect), &record.name, record.toxicity)
    }))
}

/// Returns the effect of a toxic, or `None` if it has no effect. Negative numbers count as 0.
fn effect(kind: &str, field: impl Fn(&str) -> i64) -> Option<Effect> {
    let count = |name: &str| u64::try_from(field(name)).unwrap_or(0);
    let millis = |name: &str| Duration::from_millis(count(name));
    Some(match kind {
        "latency" => {
            let spread = Duration::from_millis(field("jitter").unsigned_abs());
            Effect::from(Latency::new(Delay::Around { center: millis("latency"), spread }))
        }
        "bandwidth" => bandwidth(count("rate"))?,
        "slow_close" => Effect::from(SlowClose::new(millis("delay"))),
        "timeout" => {
            let after = Some(millis("timeout")).filter(|after| !after.is_zero());
            Effect::from(Timeout::new(after, true))
        }
        "reset_peer" => Effect::from(ResetOnData::new(millis("timeout"))),
        "slicer" => {
            let bytes = |name: &str| u32::try_from(count(name)).unwrap_or(u32::MAX);
            let size = Some(bytes("average_size")).filter(|size| *size > 0)?;
            let variation = bytes("size_variation").min(size - 1);
            Effect::from(Slicer::new(size, variation, Duration::from_micros(count("delay"))))
        }
        "limit_data" => Effect::from(LimitData::new(count("bytes"))),
        _ => return None,
    })
}

/// A KB is 1,000 bytes. A rate of 0 stops all data. A rate above the maximum of the fault is not a limit.
fn bandwidth(rate: u64) -> Option<Effect> {
    if rate == 0 {
        return Some(Effect::from(Bandwidth::new(0.0).with_burst(0)));
    }
    let rate = rate as f64 * 1e3;
    (rate <= Bandwidth::MAX_RATE).then(|| Bandwidth::new(rate).into())
}
