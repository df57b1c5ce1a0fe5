//! Faults of the API: toxics of Toxiproxy, and native faults.
//!
//! | module | what it is |
//! |---|---|
//! | `idle` | faults that could never act |
//! | `json` | bodies of requests, parsed as leniently as by Toxiproxy |
//! | `toxiproxy` | toxics and their effects |
//! | `native` | native faults and their parameters |

mod common;
mod idle;
pub(crate) mod json;
mod native;
mod toxiproxy;

use fault_proxy_engine::faults::{self, FAULT_TYPES};
use fault_proxy_engine::{FaultType, ScheduleContext};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::proxies::{Dialect, FaultRecord};

use self::common::{Common, check_attributes, direction, flows, share, ttl};
pub(crate) use self::common::{MAX_TTL, ToxicError};
pub(crate) use self::idle::{RequestTime, check_changed, check_new};
pub(crate) use self::native::types;
pub use self::native::{changed_attributes, record, with_rate_unit};

/// Parses a new fault. Its time to live starts `now`.
pub(crate) fn parse(
    body: &Map<String, Value>,
    run: &ScheduleContext,
    now: Instant,
) -> Result<FaultRecord, ToxicError> {
    let kind = json::text(body, "type")?.ok_or(ToxicError::Type)?;
    // Some clients use the field `direction` instead.
    let stream = json::text(body, "stream")?.or(direction(body)?);
    if stream.as_deref().is_some_and(|stream| flows(stream).is_none()) {
        return Err(ToxicError::Stream);
    }
    let none = Map::new();
    let attributes = json::object(body, "attributes")?.unwrap_or(&none);
    check_attributes(attributes)?;
    let common = Common {
        name: json::text(body, "name")?.filter(|name| !name.is_empty()),
        stream,
        toxicity: json::number(body, "toxicity")?.unwrap_or(1.0),
        ttl: ttl(body, now)?,
        attributes,
    };
    let enabled = json::switch(body, "enabled")?.unwrap_or(true);
    let record = match (toxiproxy::fields(&kind), faults::find(&kind)) {
        (Some(fields), kind_of_ours) => {
            refuse_mixed(&kind, fields, common.attributes, false)?;
            match kind_of_ours.ok().filter(|ours| is_native(ours, fields, common.attributes)) {
                Some(ours) => native::parse(&kind, ours, common, run),
                None => toxiproxy::parse(&kind, fields, common),
            }
        }
        (None, Ok(kind_of_ours)) => native::parse(&kind, kind_of_ours, common, run),
        (None, Err(_)) => Err(ToxicError::Type),
    };
    Ok(FaultRecord { enabled, ..record? })
}

/// Returns true if the attributes are those of the native fault and not of the toxic with the same name: if
/// only the native fault has one of them, or if a value is a text or has a unit.
fn is_native(kind: &FaultType, fields: &[&str], attributes: &Map<String, Value>) -> bool {
    attributes.iter().any(|(name, value)| match value {
        Value::Null => false,
        Value::String(text) if fields.contains(&name.as_str()) => {
            kind.parameter(name).is_some() && has_unit(text)
        }
        Value::String(_) => true,
        _ => !fields.contains(&name.as_str()) && native::is_parameter(name),
    })
}

/// Returns an error for parameters that the API would ignore: parameters of native faults in addition to
/// attributes that only the toxic has, and parameters of all native faults for a toxic without a native
/// fault, or for one that `exists` and stays a toxic.
fn refuse_mixed(
    kind: &str,
    fields: &[&str],
    attributes: &Map<String, Value>,
    exists: bool,
) -> Result<(), ToxicError> {
    let native = faults::find(kind).ok();
    let given = || attributes.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str());
    let is_of_toxic =
        |name: &&str| fields.contains(name) && native.is_none_or(|native| native.parameter(name).is_none());
    let is_of_native = |name: &&str| {
        let needs_native = native::is_common(name) || ["on", "at"].contains(name);
        !fields.contains(name) && (needs_native || native.is_some() && native::is_parameter(name))
    };
    let Some(other) = given().find(is_of_native) else { return Ok(()) };
    let way_out = match kind {
        "latency" => "set mean, and stddev for a jitter",
        "timeout" => "set after",
        "slicer" => "set size and variation",
        "reset_peer" => "use the type reset",
        "noop" => return Err(format!("`{other}` does not go with noop, which has no effect").into()),
        _ => "use those of the native fault",
    };
    let problem = match (given().find(is_of_toxic), native) {
        (Some(field), _) => {
            format!(
                "`{other}` does not go with `{field}`, an attribute of Toxiproxy's {kind}: {way_out} instead"
            )
        }
        (None, None) => format!("`{other}` does not go with Toxiproxy's {kind}: {way_out} instead"),
        (None, Some(_)) if exists => {
            format!(
                "`{other}` does not go with Toxiproxy's {kind}: delete it and add it again with `{other}`"
            )
        }
        (None, Some(_)) => {
            // The parameters of a type decide whose units apply. Common parameters do not.
            let ambiguous = UNITS.iter().find(|(of, field, ..)| {
                *of == kind
                    && attributes.get(*field).is_some_and(Value::is_number)
                    && given().all(|name| fields.contains(&name) || native::is_common(name))
            });
            let Some((_, field, of_toxic, of_native)) = ambiguous else { return Ok(()) };
            format!(
                "`{field}` needs a unit with `{other}`: Toxiproxy counts in {of_toxic}, and fault-proxy in {of_native}; write for example `{field}`: \"100{of_toxic}\""
            )
        }
    };
    Err(problem.into())
}

/// Attributes that the toxic and the native fault of a type share, with the units of their numbers, which
/// differ.
const UNITS: [(&str, &str, &str, &str); 1] = [("slicer", "delay", "us", "ms")];

fn has_unit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_err()
}

/// Returns the fault with changed attributes or toxicity, or switched on or off. A new time to live starts
/// `now`.
pub(crate) fn merge(
    record: &FaultRecord,
    body: &Map<String, Value>,
    run: &ScheduleContext,
    now: Instant,
) -> Result<FaultRecord, ToxicError> {
    let none = Map::new();
    let given = json::object(body, "attributes")?.unwrap_or(&none);
    check_attributes(given)?;
    // A change keeps the stream, as in Toxiproxy.
    direction(body)?;
    let mut changed = record.clone();
    changed.ttl = ttl(body, now)?.or(record.ttl);
    if let Some(toxicity) = json::number(body, "toxicity")? {
        changed.toxicity = toxicity;
    }
    if let Some(enabled) = json::switch(body, "enabled")? {
        changed.enabled = enabled;
    }
    match record.vocabulary {
        Dialect::Toxiproxy => {
            let mut all = record.attributes.clone();
            all.extend(given.clone());
            refuse_mixed(&record.kind, toxiproxy::fields(&record.kind).unwrap_or_default(), &all, true)?;
            toxiproxy::merge(&mut changed, given)?;
        }
        Dialect::Native => native::merge(&mut changed, given, run)?,
    }
    if let Some(fault) = &mut changed.fault {
        fault.probability = share(changed.toxicity);
    }
    Ok(changed)
}

/// Returns the attributes that requests for a fault of this type may have, first those of the toxic, then
/// native ones. `None` if the type does not exist. The API ignores other attributes, as Toxiproxy does.
pub fn attribute_names(kind: &str) -> Option<Vec<String>> {
    let toxic = toxiproxy::fields(&kind.replace('-', "_"));
    let native = faults::find(kind).ok().map(native::attribute_names);
    if toxic.is_none() && native.is_none() {
        return None;
    }
    let toxic = toxic.unwrap_or_default().iter().map(|field| (*field).to_owned());
    Some(toxic.chain(native.unwrap_or_default()).collect())
}

/// Returns a JSON schema of the attributes of each type, toxics first. Some names have two: of the toxic and of the native fault.
pub(crate) fn attributes_by_type() -> Vec<(String, Value)> {
    let schema = |properties: Map<_, _>| json!({"type": "object", "properties": properties});
    let toxics = toxiproxy::TOXICS.iter().map(|(kind, fields)| {
        let integers = fields.iter().map(|field| ((*field).to_owned(), json!({"type": "integer"})));
        ((*kind).to_owned(), schema(integers.collect()))
    });
    let native =
        FAULT_TYPES.iter().map(|kind| (native::name_for(kind), schema(native::attribute_schemas(kind))));
    toxics.chain(native).collect()
}

#[cfg(test)]
mod tests;
