//! Stages that hold each piece until a time that is known when it comes.

use std::time::Duration;

use rand::RngExt;

use crate::delay::Delay;
use crate::fifo::Fifo;
use crate::line::draws::DrawKey;
use crate::line::piece::{Ending, Piece};

/// Pieces in order, each with the time when it may leave.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    queue: Fifo<(Piece, Duration)>,
    last_due: Duration,
}

impl Hold {
    /// Holds `piece` for `delay`, and behind all before it.
    fn push(&mut self, piece: Piece, delay: Duration) {
        self.last_due = self.last_due.max(piece.at.saturating_add(delay));
        self.queue.push_back((piece, self.last_due));
    }

    /// The first piece if it may leave, and when it came.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Piece, Duration)> {
        let (piece, due) = *self.queue.front()?;
        if due > now {
            return None;
        }
        self.queue.pop_front();
        Some((Piece { at: due, ..piece }, piece.at))
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.queue.front().map(|(_, due)| *due)
    }

    pub(crate) fn memory(&self) -> usize {
        self.queue.memory()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.last_due = Duration::ZERO;
        self.queue.drain(..).map(|(piece, _)| piece)
    }
}

/// Holds each segment for a time drawn for it.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) hold: Hold,
    delay: Delay,
    once: bool,
    drawn: Option<(u64, Duration)>,
}

impl Latency {
    pub(crate) fn new(delay: Delay, once: bool) -> Self {
        Self { hold: Hold::default(), delay, once, drawn: None }
    }

    pub(crate) fn push(&mut self, piece: Piece, key: DrawKey) -> Option<Duration> {
        match self.drawn {
            Some((segment, delay)) if segment == piece.segment => {
                self.hold.push(piece, delay);
                None
            }
            drawn => {
                let delay = if self.once && drawn.is_some() {
                    Duration::ZERO
                } else {
                    self.delay.sample(&mut key.at(piece.offset))
                };
                self.drawn = Some((piece.segment, delay));
                self.hold.push(piece, delay);
                Some(delay)
            }
        }
    }

    /// Whether its holds differ from one segment to the next.
    pub(crate) fn varies(&self) -> bool {
        self.once || !self.delay.is_constant()
    }
}

/// Holds a segment now and then.
#[derive(Debug)]
pub(crate) struct Jitter {
    pub(crate) hold: Hold,
    amplitude: Duration,
    interval: Duration,
    not_before: Duration,
    drawn: Option<(u64, Duration)>,
}

impl Jitter {
    /// At most `frequency` holds a second.
    pub(crate) fn new(amplitude: Duration, frequency: f64) -> Self {
        Self {
            hold: Hold::default(),
            amplitude,
            interval: Duration::try_from_secs_f64(frequency.recip()).unwrap_or(Duration::MAX),
            not_before: Duration::ZERO,
            drawn: None,
        }
    }

    pub(crate) fn push(&mut self, piece: Piece, key: DrawKey) -> Option<Duration> {
        match self.drawn {
            Some((segment, delay)) if segment == piece.segment => {
                self.hold.push(piece, delay);
                None
            }
            _ if piece.at < self.not_before => {
                self.drawn = Some((piece.segment, Duration::ZERO));
                self.hold.push(piece, Duration::ZERO);
                None
            }
            _ => {
                let delay = self.amplitude.mul_f64(key.at(piece.offset).random());
                self.drawn = Some((piece.segment, delay));
                self.not_before = piece.at.saturating_add(self.interval);
                self.hold.push(piece, delay);
                Some(delay)
            }
        }
    }
}

/// Holds the half-close.
#[derive(Debug)]
pub(crate) struct SlowClose {
    pub(crate) hold: Hold,
    delay: Duration,
}

impl SlowClose {
    pub(crate) fn new(delay: Duration) -> Self {
        Self { hold: Hold::default(), delay }
    }

    /// Returns the delay if this is the piece that is held.
    pub(crate) fn push(&mut self, piece: Piece) -> Option<Duration> {
        let delay = (piece.end == Ending::Finish).then_some(self.delay);
        self.hold.push(piece, delay.unwrap_or_default());
        delay
    }
}
