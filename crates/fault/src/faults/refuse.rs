//! New clients are refused.

use std::fmt::{self, Display, Formatter};

use crate::effect::{Behavior, Opening, Place};

/// New clients are refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refuse;

impl Display for Refuse {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("refuse")
    }
}

impl Behavior for Refuse {
    fn place(&self) -> Place {
        Place::Opening
    }

    fn opening(&self) -> Option<Opening> {
        Some(Opening::Refuse)
    }
}
