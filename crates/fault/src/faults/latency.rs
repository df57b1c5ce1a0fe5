//! Each segment is held for a time drawn for it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::delay::Delay;
use crate::effect::{Behavior, Measured, Place, Start};
use crate::line::draws::DrawKey;
use crate::line::hold::Hold;
use crate::line::piece::Piece;
use crate::line::stage::{Stage, Tools};

/// Each segment is held for a time drawn anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// How long.
    pub delay: Delay,
    /// Only the first segment of a flow is held.
    pub once: bool,
}

impl Latency {
    /// Each segment is held for a time drawn from `delay`.
    pub fn new(delay: Delay) -> Self {
        Self { delay, once: false }
    }
}

impl Display for Latency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "latency {}", self.delay)?;
        f.write_str(if self.once { ", once a flow" } else { "" })
    }
}

impl Behavior for Latency {
    fn place(&self) -> Place {
        Place::Way
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(LatencyStage {
            latency: self.clone(),
            hold: Hold::default(),
            drawn: None,
            key: start.key,
        }))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

#[derive(Debug)]
struct LatencyStage {
    latency: Latency,
    hold: Hold,
    /// For a segment.
    drawn: Option<(u64, Duration)>,
    key: DrawKey,
}

impl Stage for LatencyStage {
    fn push(&mut self, piece: Piece, tools: &Tools<'_>) -> Option<Piece> {
        let delay = match self.drawn {
            Some((segment, delay)) if segment == piece.segment => delay,
            drawn => {
                let is_spared = self.latency.once && drawn.is_some();
                let delay = if is_spared {
                    Duration::ZERO
                } else {
                    self.latency.delay.sample(&mut self.key.at(piece.offset))
                };
                self.drawn = Some((piece.segment, delay));
                tools.hold(&piece, delay);
                delay
            }
        };
        self.hold.push(piece, delay);
        None
    }

    fn pop(&mut self, now: Duration, tools: &Tools<'_>) -> Option<Piece> {
        let (piece, came) = self.hold.pop(now)?;
        tools.held(&piece, came, now);
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

    fn needs_segments(&self) -> bool {
        self.latency.once || !self.latency.delay.is_constant()
    }
}
