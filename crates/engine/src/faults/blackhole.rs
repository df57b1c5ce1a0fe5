//! Holds or drops all data.

use super::moment::{AFTER_BYTES, AT, BYTES, EVENTS, ON, ROWS, Where};
use super::prelude::*;
use crate::requests::rule::{Ending, Moment, RequestAction};
use crate::stage::gate::Gate;

/// Holds or drops all data.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Blackhole {
    /// Drops received bytes. Otherwise they are forwarded when the fault ends.
    pub discard: bool,
    /// Number of bytes of its direction that pass first, counted since the session opened or the fault was
    /// switched on.
    pub after_bytes: u64,
}

impl Blackhole {
    /// Holds all data, or drops it if `discard` is set.
    pub fn new(discard: bool) -> Self {
        Self { discard, after_bytes: 0 }
    }

    /// Lets this number of bytes pass first.
    #[must_use]
    pub fn after_bytes(self, bytes: u64) -> Self {
        Self { after_bytes: bytes, ..self }
    }
}

impl Behavior for Blackhole {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("blackhole")?;
        if self.after_bytes > 0 {
            write!(f, " after {}", Size(self.after_bytes))?;
        }
        f.write_str(if self.discard { ", bytes are dropped" } else { ", bytes are held" })
    }

    fn place(&self) -> Place {
        Place::Blackhole
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(Gate::new(self.discard).closing_after(self.after_bytes, start.since)))
    }

    fn measured(&self) -> Measured {
        // Sessions may end before these bytes have passed.
        if self.after_bytes > 0 { Measured::Actions } else { Measured::Sessions }
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "blackhole",
    help: "Hold or drop all data",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::new(
            "mode",
            ValueType::Words("MODE", Mode::WORDS),
            "Action for received data: stall (hold) or discard (drop)",
        )
        .or("stall")
        .main(),
        AFTER_BYTES,
        ON,
        AT.or("first-byte with on"),
        BYTES,
        ROWS,
        EVENTS,
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    mode: Option<Mode>,
    #[serde(flatten)]
    at: Where,
}

/// Action for received bytes: hold them until the fault ends, or drop them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Stall,
    Discard,
}

words! { Mode, "a mode", Stall = "stall", Discard = "discard" }

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let stall = || RequestAction::End { after: Duration::ZERO, ending: Ending::Stall };
        if let Some(fault) = self.at.on_requests(Moment::FirstByte, stall)? {
            return match self.mode {
                None | Some(Mode::Discard) => Ok(fault.into()),
                Some(Mode::Stall) => Err(ParamError::new(
                    "mode",
                    "stall does not apply with `on`, since what follows is dropped: use discard",
                )),
            };
        }
        let after_bytes = self.at.bytes_before()?;
        Ok(Blackhole { discard: self.mode == Some(Mode::Discard), after_bytes }.into())
    }
}
