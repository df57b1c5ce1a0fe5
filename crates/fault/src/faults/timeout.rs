//! Nothing passes, then both connections are closed.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::describe::Time;
use crate::effect::{Behavior, Effect, Place, Sides, Start};
use crate::line::gate::Gate;
use crate::line::stage::Stage;
use crate::params::{
    FaultType, FlowDirection, ParamError, Parameter, Parameters, Target, ValueType, read_own,
};
use crate::units::Millis;

/// Nothing passes, and both connections are closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeout {
    /// This long after the session opened or the fault was switched on; `None`: they are not closed.
    pub after: Option<Duration>,
    /// Bytes that come meanwhile are gone, and when the fault goes the connections are closed: instead of both passing on then.
    pub discard: bool,
}

impl Display for Timeout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "timeout, closed after {}", Time(after))?,
            None => f.write_str("timeout, never closed")?,
        }
        f.write_str(if self.discard { ", bytes are gone" } else { "" })
    }
}

impl Behavior for Timeout {
    fn place(&self) -> Place {
        Place::Timeout
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let close_at = self.after.map(|after| start.since.saturating_add(after));
        Some(Box::new(Gate::timeout(self.discard, close_at)))
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "timeout",
    help: "Hold all data, then close the session",
    target: Target::Flow(FlowDirection::Both),
    parameters: &[Parameter::new(
        "after",
        ValueType::Time,
        "Time after the start of the session at which to close it",
    )
    .or("never")],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    after: Option<Millis>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Sides>) -> Result<Effect, ParamError> {
        Ok(Timeout { after: self.after.map(Millis::duration), discard: false }.into())
    }
}
