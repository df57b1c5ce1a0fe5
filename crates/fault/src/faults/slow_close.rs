//! The half-close is held.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::describe::Time;
use crate::effect::{Behavior, Measured, Place, Start};
use crate::line::hold::Hold;
use crate::line::piece::{Ending, Piece};
use crate::line::stage::{Stage, Tools};

/// The end of a flow (half-close) is held.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowClose {
    /// How long.
    pub delay: Duration,
}

impl Display for SlowClose {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slow close, {} later", Time(self.delay))
    }
}

impl Behavior for SlowClose {
    fn place(&self) -> Place {
        Place::End
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(SlowCloseStage { hold: Hold::default(), delay: self.delay }))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

#[derive(Debug)]
struct SlowCloseStage {
    hold: Hold,
    delay: Duration,
}

impl Stage for SlowCloseStage {
    fn push(&mut self, piece: Piece, tools: &Tools<'_>) -> Option<Piece> {
        let delay = if piece.end == Ending::Finish {
            tools.stats.acted();
            tools.hold(&piece, self.delay);
            self.delay
        } else {
            Duration::ZERO
        };
        self.hold.push(piece, delay);
        None
    }

    fn pop(&mut self, now: Duration, tools: &Tools<'_>) -> Option<Piece> {
        let (piece, came) = self.hold.pop(now)?;
        if piece.at > came {
            tools.held(&piece, came, now);
        }
        Some(piece)
    }

    fn due(&self) -> Option<Duration> {
        self.hold.due()
    }

    fn drain(&mut self) -> Vec<Piece> {
        self.hold.drain()
    }

    fn memory(&self) -> usize {
        self.hold.memory()
    }
}
