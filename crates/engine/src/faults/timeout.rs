//! Holds all data, then closes both connections.

use super::moment::{AFTER_BYTES, AT, BYTES, EVENTS, ON, ROWS, Where};
use super::prelude::*;
use crate::direction::Directions;
use crate::requests::rule::{Ending, Moment, RequestAction};
use crate::stage::chunk::FlowEnd;
use crate::stage::gate::Gate;

/// Holds all data, then closes both connections.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Timeout {
    /// Time from the opening of the session or from the moment at which the fault was switched on. With
    /// [`after_bytes`](Self::after_bytes), time from the last byte that passes. If it is `None`, the
    /// connections stay open.
    pub after: Option<Duration>,
    /// Drops received bytes, and closes the connections when the fault is removed. Otherwise the bytes are
    /// forwarded when it is removed.
    pub discard: bool,
    /// Number of bytes of its direction that pass first, counted since the session opened or the fault was
    /// switched on.
    pub after_bytes: u64,
}

impl Timeout {
    /// Closes both connections after this time, and drops the data until then if `discard` is set.
    pub fn new(after: Option<Duration>, discard: bool) -> Self {
        Self { after, discard, after_bytes: 0 }
    }

    /// Lets this number of bytes pass first.
    #[must_use]
    pub fn after_bytes(self, bytes: u64) -> Self {
        Self { after_bytes: bytes, ..self }
    }
}

impl Behavior for Timeout {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("timeout")?;
        if self.after_bytes > 0 {
            write!(f, " after {}", Size(self.after_bytes))?;
        }
        match self.after {
            Some(after) if self.after_bytes > 0 => write!(f, ", closed {} later", Time(after))?,
            Some(after) => write!(f, ", closed after {}", Time(after))?,
            None => f.write_str(", never closed")?,
        }
        f.write_str(if self.discard { ", bytes are dropped" } else { "" })
    }

    fn place(&self) -> Place {
        Place::Timeout
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let mut gate = Gate::new(self.discard).closing_after(self.after_bytes, start.since);
        if self.discard {
            gate = gate.ending_on_removal(FlowEnd::CloseNow);
        }
        Some(Box::new(match self.after {
            None => gate,
            Some(after) if self.after_bytes > 0 => gate.ending_after(after, FlowEnd::Close),
            Some(after) => gate.ending_at(start.since.saturating_add(after), FlowEnd::CloseNow),
        }))
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "timeout",
    help: "Hold all data, then close the session",
    target: Target::Flow(SocketDirection::Both),
    parameters: &[
        Parameter::time(
            "after",
            "Time after which to close the session, from its start or from the last byte that passes",
        )
        .or("never")
        .main(),
        AFTER_BYTES,
        ON,
        AT.or("after-forward with on"),
        BYTES,
        ROWS,
        EVENTS,
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    after: Option<Millis>,
    #[serde(flatten)]
    at: Where,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let end = || match self.after.map(Millis::duration) {
            Some(after) => RequestAction::End { after, ending: Ending::Close },
            None => RequestAction::End { after: Duration::ZERO, ending: Ending::Stall },
        };
        if let Some(fault) = self.at.on_requests(Moment::AfterForward, end)? {
            return Ok(fault.into());
        }
        let after_bytes = self.at.bytes_before()?;
        Ok(Timeout { after: self.after.map(Millis::duration), discard: false, after_bytes }.into())
    }

    fn default_directions(&self) -> Option<Directions> {
        self.at.directions()
    }
}
