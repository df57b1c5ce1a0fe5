//! Holds all data, then closes both connections.

use super::prelude::*;
use crate::stage::gate::Gate;

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

impl Behavior for Timeout {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "timeout, closed after {}", Time(after))?,
            None => f.write_str("timeout, never closed")?,
        }
        f.write_str(if self.discard { ", bytes are dropped" } else { "" })
    }

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
    parameters: &[
        Parameter::time("after", "Time after the start of the session at which to close it").or("never")
    ],
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
