//! Parts that toxics and native faults share.

use std::time::Duration;

use fault_proxy_engine::{Directions, Fault, Millis};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::time::Instant;

use super::json;
use crate::proxies::Ttl;

/// Maximum time to live: one week. No test needs a fault for longer.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

const MAX_TTL_HINT: &str = "use 168h (a week) at most";

/// Error in the body of a request for a fault.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ToxicError {
    #[error("bad request body: {0}")]
    Body(String),
    #[error("invalid toxic type")]
    Type,
    #[error("stream was invalid, can be either upstream or downstream")]
    Stream,
}

impl From<String> for ToxicError {
    fn from(problem: String) -> Self {
        Self::Body(problem)
    }
}

/// Properties of a new fault that do not depend on its type.
pub(super) struct Common<'a> {
    pub(super) name: Option<String>,
    pub(super) stream: Option<String>,
    pub(super) toxicity: f64,
    pub(super) ttl: Option<Ttl>,
    pub(super) attributes: &'a Map<String, Value>,
}

/// Parses the time to live of a request. It starts `now`.
pub(super) fn ttl(body: &Map<String, Value>, now: Instant) -> Result<Option<Ttl>, String> {
    let Some(value) = body.get("ttl").filter(|value| !value.is_null()) else { return Ok(None) };
    let time: Millis = serde_json::from_value(value.clone()).map_err(|error| {
        // The error of the parser names the limit of times, which is higher than this one.
        let error = error.to_string();
        format!("ttl: {}", error.replace("use 8760h (a year) at most", MAX_TTL_HINT))
    })?;
    match time.duration() {
        Duration::ZERO => {
            Err("ttl: is 0: use a time such as 30s, or leave it out to keep the fault".to_owned())
        }
        longer if longer > MAX_TTL => Err(format!("ttl: {time} is too long: {MAX_TTL_HINT}")),
        _ => Ok(Some(Ttl::new(time, now))),
    }
}

/// Returns the stream that a request calls its direction. Returns an error for other directions, which are attributes.
pub(super) fn direction(body: &Map<String, Value>) -> Result<Option<String>, String> {
    match json::text(body, "direction")? {
        Some(direction) if flows(&direction).is_none() => Err(format!(
            "direction {direction} is an attribute: set direction in attributes (ctl: direction={direction})"
        )),
        stream => Ok(stream),
    }
}

/// Returns an error for a time to live among the attributes, because Toxiproxy ignores unknown attributes.
pub(super) fn check_attributes(attributes: &Map<String, Value>) -> Result<(), String> {
    match attributes.get("ttl") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => {
            Err("ttl is not an attribute: set ttl at the top level of the request (ctl: --ttl)".to_owned())
        }
    }
}

/// Returns `None` for an unknown stream.
pub(super) fn flows(stream: &str) -> Option<Directions> {
    match stream.to_ascii_lowercase().as_str() {
        "upstream" => Some(Directions { to_upstream: true, to_downstream: false }),
        "downstream" => Some(Directions { to_upstream: false, to_downstream: true }),
        _ => None,
    }
}

/// Limits a toxicity to the range from 0 to 1, because requests do not check it.
pub(super) fn share(toxicity: f64) -> f64 {
    toxicity.clamp(0.0, 1.0)
}

/// Returns the name of a fault that was added without a name. It does not depend on the spelling of the type.
pub(super) fn default_name(kind: &str, stream: &str) -> String {
    format!("{}_{stream}", kind.replace('-', "_"))
}

pub(super) fn renamed(fault: Fault, name: &str, toxicity: f64) -> Fault {
    Fault { name: name.to_owned(), probability: share(toxicity), ..fault }
}
