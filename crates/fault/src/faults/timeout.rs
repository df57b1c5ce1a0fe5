//! Nothing passes, then both connections are closed.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::describe::Time;
use crate::effect::{Behavior, Place, Start};
use crate::line::gate::Gate;
use crate::line::stage::Stage;

/// Nothing passes, and both connections are closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeout {
    /// This long after the session opened or the fault was switched on; `None`: they are not closed.
    pub after: Option<Duration>,
    /// Bytes that come meanwhile are gone, and when the fault goes the connections are closed: instead of both passing on then.
    pub discard: bool,
}

impl Display for Timeout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "timeout, closed after {}", Time(after))?,
            None => f.write_str("timeout, never closed")?,
        }
        f.write_str(if self.discard { ", bytes are gone" } else { "" })
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
