//! Resets connections.

use super::moment::{AFTER_BYTES, AT, BYTES, EVENTS, ON, ROWS, Where};
use super::prelude::*;
use crate::direction::Directions;
use crate::requests::rule::{Ending, Moment, RequestAction};
use crate::stage::chunk::FlowEnd;
use crate::stage::gate::Gate;

/// Resets the connections of a session (TCP: RST).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reset {
    /// Time from the opening of the session or from the moment at which the fault was switched on, whichever
    /// is later. With [`after_bytes`](Self::after_bytes), time from the last byte that passes.
    pub after: Duration,
    /// Number of bytes of its direction that pass first, counted since the session opened or the fault was
    /// switched on. Later bytes are held until the reset. With 0, all bytes pass until then.
    pub after_bytes: u64,
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
    /// Resets the connections of `sides` after this time.
    pub fn new(after: Duration, sides: Side) -> Self {
        Self { after, after_bytes: 0, sides }
    }

    /// Lets this number of bytes pass first.
    #[must_use]
    pub fn after_bytes(self, bytes: u64) -> Self {
        Self { after_bytes: bytes, ..self }
    }
}

impl Behavior for Reset {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.sides {
            Side::Client => "reset of the client's connection",
            Side::Server => "reset of the server's connection",
            Side::Both => "reset of both connections",
        })?;
        match self.after_bytes {
            0 => write!(f, " after {}", Time(self.after)),
            bytes if self.after.is_zero() => write!(f, " after {}", Size(bytes)),
            bytes => write!(f, " {} after {}", Time(self.after), Size(bytes)),
        }
    }

    fn place(&self) -> Place {
        Place::Reset
    }

    fn min_delay(&self) -> Duration {
        // Behind the last byte that passes, data is held, which is an effect.
        if self.after_bytes == 0 { self.after } else { Duration::ZERO }
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(match self.after_bytes {
            0 => {
                Gate::open().ending_at(start.since.saturating_add(self.after), FlowEnd::ResetNow(self.sides))
            }
            bytes => Gate::new(false)
                .closing_after(bytes, start.since)
                .ending_after(self.after, FlowEnd::Reset(self.sides)),
        }))
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
        Parameter::time(
            "after",
            "Time after the start of the session, or after the last byte of `after-bytes` or `at`",
        )
        .or("0")
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
    fn resolve(&self, side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let after = self.after.map(Millis::duration).unwrap_or_default();
        let sides = side.unwrap_or_default();
        let end = || RequestAction::End { after, ending: Ending::Reset(sides) };
        if let Some(fault) = self.at.on_requests(Moment::AfterForward, end)? {
            return Ok(fault.into());
        }
        let after_bytes = self.at.bytes_before()?;
        Ok(Reset { after, after_bytes, sides }.into())
    }

    fn default_directions(&self) -> Option<Directions> {
        self.at.directions()
    }
}
