//! Delays the connection to the upstream.

use super::prelude::*;

/// Delays the connection to the upstream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SlowOpen {
    /// Delay.
    pub delay: Duration,
}

impl SlowOpen {
    /// Delays the connection to the upstream by `delay`.
    pub fn new(delay: Duration) -> Self {
        Self { delay }
    }
}

impl Behavior for SlowOpen {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slow open, {} later", Time(self.delay))
    }

    fn place(&self) -> Place {
        Place::Opening
    }

    fn opening(&self) -> Option<Opening> {
        Some(Opening::Delay(self.delay))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "slow-open",
    help: "Delay the connection to the upstream",
    target: Target::Opening,
    parameters: &[Parameter::time("delay", "Delay, for example 2s").main().one_of(&["delay"])],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    delay: Option<Millis>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        Ok(SlowOpen { delay: needed("delay", self.delay, "2s")?.duration() }.into())
    }
}
