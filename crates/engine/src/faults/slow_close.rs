//! Delays the half-close.

use super::prelude::*;
use crate::stage::chunk::FlowEnd;
use crate::stage::hold::{HoldStage, HoldTimes};

/// Delays the end of a flow (half-close).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SlowClose {
    /// Delay.
    pub delay: Duration,
}

impl SlowClose {
    /// Delays the end of a flow by `delay`.
    pub fn new(delay: Duration) -> Self {
        Self { delay }
    }
}

impl Behavior for SlowClose {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slow close, {} later", Time(self.delay))
    }

    fn place(&self) -> Place {
        Place::End
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(HoldStage::new(self.clone())))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

impl HoldTimes for SlowClose {
    fn hold_time(&mut self, chunk: &Chunk, context: &mut StageContext<'_>) -> Duration {
        if chunk.end != FlowEnd::Finish {
            return Duration::ZERO;
        }
        context.counters.record_action();
        context.hold(chunk, self.delay);
        self.delay
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "slow-close",
    help: "Delay the end of a session",
    target: Target::Flow(SocketDirection::Both),
    parameters: &[Parameter::time("delay", "Delay, for example 2s").main().one_of(&["delay"])],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    delay: Option<Millis>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        Ok(SlowClose { delay: needed("delay", self.delay, "2s")?.duration() }.into())
    }
}
