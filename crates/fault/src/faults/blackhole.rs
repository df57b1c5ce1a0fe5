//! Nothing passes.

use std::fmt::{self, Display, Formatter};

use crate::effect::{Behavior, Measured, Place, Start};
use crate::line::gate::Gate;
use crate::line::stage::Stage;

/// Nothing passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Blackhole {
    /// Bytes that come meanwhile are gone, instead of passing when it ends.
    pub discard: bool,
}

impl Display for Blackhole {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.discard { "blackhole, bytes are gone" } else { "blackhole, bytes wait" })
    }
}

impl Behavior for Blackhole {
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
