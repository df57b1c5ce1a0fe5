//! Parts that toxics and native faults share.

use fault_proxy_engine::{Directions, Fault};
use serde_json::{Map, Value};
use thiserror::Error;

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
    pub(super) attributes: &'a Map<String, Value>,
}

/// Returns `None` for an unknown stream.
pub(super) fn flows(stream: &str) -> Option<Directions> {
    match stream.to_ascii_lowercase().as_str() {
        "upstream" => Some(Directions { to_upstream: true, to_downstream: false }),
        "downstream" => Some(Directions { to_upstream: false, to_downstream: true }),
        _ => None,
    }
}

/// Limits a toxicity, which requests do not check, to a share from 0 to 1.
pub(super) fn share(toxicity: f64) -> f64 {
    toxicity.clamp(0.0, 1.0)
}

pub(super) fn default_name(kind: &str, stream: &str) -> String {
    format!("{kind}_{stream}")
}

pub(super) fn renamed(fault: Fault, name: &str, toxicity: f64) -> Fault {
    Fault { name: name.to_owned(), probability: share(toxicity), ..fault }
}
