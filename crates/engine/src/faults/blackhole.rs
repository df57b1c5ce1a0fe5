//! Holds or drops all data.

use super::prelude::*;
use crate::stage::gate::Gate;

/// Holds or drops all data.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Blackhole {
    /// Drops received bytes. Otherwise they are forwarded when the fault ends.
    pub discard: bool,
}

impl Blackhole {
    /// Holds all data, or drops it if `discard` is set.
    pub fn new(discard: bool) -> Self {
        Self { discard }
    }
}

impl Behavior for Blackhole {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.discard { "blackhole, bytes are dropped" } else { "blackhole, bytes are held" })
    }

    fn place(&self) -> Place {
        Place::Blackhole
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(Gate::new(self.discard)))
    }

    fn measured(&self) -> Measured {
        Measured::Sessions
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "blackhole",
    help: "Hold or drop all data",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[Parameter::new(
        "mode",
        ValueType::Words("MODE", Mode::WORDS),
        "Action for received data: stall (hold) or discard (drop)",
    )
    .or("stall")],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    mode: Option<Mode>,
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
        Ok(Blackhole { discard: self.mode == Some(Mode::Discard) }.into())
    }
}
