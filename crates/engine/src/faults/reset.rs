//! Resets connections.

use super::prelude::*;
use crate::stage::gate::Gate;
use crate::stage::limit::Limit;

/// Resets the connections of a session (TCP: RST).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reset {
    /// Time since the session opened or the fault was switched on, whichever is later.
    pub after: Duration,
    /// Minimum number of bytes forwarded in its direction since then.
    pub bytes: Option<u64>,
    /// Connections to reset. The other one is closed.
    pub sides: Side,
}

/// Resets both connections of a session (TCP: RST) some time after data has arrived. The data is dropped.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResetOnData {
    /// Time since the first bytes, or the half-close, arrived in its direction.
    pub after: Duration,
}

impl Reset {
    /// Resets the connections of `sides` after this time, once `bytes` are forwarded.
    pub fn new(after: Duration, bytes: Option<u64>, sides: Side) -> Self {
        Self { after, bytes, sides }
    }
}

impl Behavior for Reset {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.sides {
            Side::Client => "reset of the client's connection",
            Side::Server => "reset of the server's connection",
            Side::Both => "reset of both connections",
        })?;
        write!(f, " after {}", Time(self.after))?;
        self.bytes.map_or(Ok(()), |bytes| write!(f, " and {}", Size(bytes)))
    }

    fn place(&self) -> Place {
        Place::Reset
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let not_before = start.since.saturating_add(self.after);
        Some(Box::new(Limit::reset(self.sides, not_before, self.bytes)))
    }
}

impl ResetOnData {
    /// Resets both connections this long after data has arrived.
    pub fn new(after: Duration) -> Self {
        Self { after }
    }
}

impl Behavior for ResetOnData {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "reset of both connections {} after the first bytes", Time(self.after))
    }

    fn place(&self) -> Place {
        Place::Reset
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(Gate::reset_on_data(self.after)))
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "reset",
    help: "Reset connections",
    target: Target::Connections,
    parameters: &[
        Parameter::time("after", "Time after the start of the session").or("0"),
        Parameter::bytes("bytes", "Minimum number of bytes to forward before the reset"),
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    after: Option<Millis>,
    bytes: Option<ByteCount>,
}

impl Parameters for Params {
    fn resolve(&self, side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let after = self.after.map(Millis::duration).unwrap_or_default();
        let bytes = self.bytes.map(ByteCount::count);
        Ok(Reset { after, bytes, sides: side.unwrap_or_default() }.into())
    }
}
