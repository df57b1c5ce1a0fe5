//! Drops the response to a request that the upstream executes.

use super::moment::ON;
use super::prelude::*;
use crate::requests::rule::{Ending, Moment, RequestAction, RequestFault};

pub(super) static TYPE: FaultType = FaultType {
    name: "lose-response",
    help: "Let the upstream execute a request, and drop its response; requires `on`",
    target: Target::Requests,
    parameters: &[
        ON.one_of(&["on"]),
        Parameter::new(
            "then",
            ValueType::Words("ENDING", Then::WORDS),
            "Action when the response is complete: reset the client's connection, close both, or stall",
        )
        .or("reset")
        .main(),
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    on: Option<String>,
    then: Option<Then>,
}

/// End of the session after a lost response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Reset,
    Close,
    Stall,
}

words! { Then, "an ending", Reset = "reset", Close = "close", Stall = "stall" }

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let on = needed("on", self.on.as_ref(), "commit, POST /orders/* or SET session:*")?;
        let ending = match self.then {
            None | Some(Then::Reset) => Ending::Reset(Side::Client),
            Some(Then::Close) => Ending::Close,
            Some(Then::Stall) => Ending::Stall,
        };
        Ok(RequestFault::new(on, Moment::FirstByte, RequestAction::LoseResponse(ending)).into())
    }
}
