//! The upstream is dialed later.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::describe::Time;
use crate::effect::{Behavior, Measured, Opening, Place};

/// The upstream is dialed later.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowOpen {
    /// How much.
    pub delay: Duration,
}

impl Display for SlowOpen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slow open, {} later", Time(self.delay))
    }
}

impl Behavior for SlowOpen {
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
