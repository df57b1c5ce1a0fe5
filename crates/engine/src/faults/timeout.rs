//! Holds all data, then closes both connections.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::describe::Time;
use crate::direction::Side;
use crate::effect::{Behavior, Effect, Place, Start};
use crate::fault_type::{
    FaultType, ParamError, Parameter, Parameters, ReadFile, SocketDirection, Target, ValueType, read_own,
};
use crate::stage::Stage;
use crate::stage::gate::Gate;
use crate::units::Millis;

/// Holds all data, then closes both connections.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Timeout {
    /// Time since the session opened or the fault was switched on. Without it, the connections stay open.
    pub after: Option<Duration>,
    /// Drops received bytes, and closes the connections when the fault is removed. Otherwise the bytes are forwarded then.
    pub discard: bool,
}

impl Timeout {
    /// Closes both connections after this time, and drops the data until then if `discard` is set.
    pub fn new(after: Option<Duration>, discard: bool) -> Self {
        Self { after, discard }
    }
}

impl Display for Timeout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "timeout, closed after {}", Time(after))?,
            None => f.write_str("timeout, never closed")?,
        }
        f.write_str(if self.discard { ", bytes are dropped" } else { "" })
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
    target: Target::Flow(SocketDirection::Both),
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
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        Ok(Timeout { after: self.after.map(Millis::duration), discard: false }.into())
    }
}
