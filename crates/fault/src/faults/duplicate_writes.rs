//! Each read is delivered twice.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::effect::{Behavior, Effect, Place, Sides, Start};
use crate::journal::Verdict;
use crate::line::piece::Piece;
use crate::line::stage::{Stage, Tools};
use crate::params::{FaultType, FlowDirection, ParamError, Parameters, Target, read_own};

/// Each read is delivered twice.
#[derive(Debug, Clone, PartialEq)]
struct DuplicateWrites;

impl Display for DuplicateWrites {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("duplicate writes")
    }
}

impl Behavior for DuplicateWrites {
    fn place(&self) -> Place {
        Place::Content
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(DuplicateStage::default()))
    }
}

#[derive(Debug, Default)]
struct DuplicateStage {
    /// Copies of what was read, and the offsets behind it.
    copies: VecDeque<(u64, Bytes)>,
    passed: u64,
}

impl Stage for DuplicateStage {
    fn change(&mut self, now: Duration, offset: u64, bytes: &mut [u8], tools: &Tools<'_>) {
        tools.stats.acted();
        (tools.tell)(now, offset, Verdict::Insert { bytes: bytes.len() as u64 });
        self.copies.push_back((offset + bytes.len() as u64, Bytes::copy_from_slice(bytes)));
    }

    fn push(&mut self, piece: Piece, _tools: &Tools<'_>) -> Option<Piece> {
        self.passed = piece.offset + piece.len as u64;
        Some(piece)
    }

    fn insert(&mut self, _tools: &Tools<'_>) -> Option<Bytes> {
        let (end, _) = self.copies.front()?;
        if *end > self.passed {
            return None;
        }
        self.copies.pop_front().map(|(_, bytes)| bytes)
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "duplicate-writes",
    help: "Deliver all data twice",
    target: Target::Flow(FlowDirection::Ingress),
    parameters: &[],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Sides>) -> Result<Effect, ParamError> {
        Ok(DuplicateWrites.into())
    }
}
