//! Both connections are closed after a number of bytes.

use std::fmt::{self, Display, Formatter};

use crate::describe::Size;
use crate::effect::{Behavior, Place, Start};
use crate::line::limit::Limit;
use crate::line::stage::Stage;

/// Both connections are closed after this many bytes in its direction; after 0, when the first would pass.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitData {
    /// Counted from the session's opening, or from when the fault was switched on; not anew when its limit changes.
    pub bytes: u64,
}

impl Display for LimitData {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "data limit {}", Size(self.bytes))
    }
}

impl Behavior for LimitData {
    fn place(&self) -> Place {
        Place::Amount
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(Limit::data(start.since, self.bytes)))
    }
}
