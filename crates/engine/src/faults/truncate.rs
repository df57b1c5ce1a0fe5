//! Ends responses early.

use super::moment::{BYTES, EVENTS, ON, OnRequests, ROWS};
use super::prelude::*;
use crate::requests::rule::{RequestAction, RequestFault};

/// The part of the response that passes.
const PART: &[&str] = &["bytes", "rows", "events"];

pub(super) static TYPE: FaultType = FaultType {
    name: "truncate",
    help: "End a response early and close the connections; requires `on` and one of `bytes`, `rows` and `events`",
    target: Target::Requests,
    parameters: &[
        ON.one_of(&["on"]),
        BYTES.main().one_of(PART),
        ROWS.main().one_of(PART),
        EVENTS.main().one_of(PART),
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    #[serde(flatten)]
    requests: OnRequests,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let (on, part) = self.requests.part_of_response()?;
        Ok(RequestFault::new(on, part, RequestAction::Truncate).into())
    }
}
