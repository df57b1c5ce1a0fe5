//! Holds each piece until a time that is known when the piece arrives.

use std::time::Duration;

use crate::fifo::Fifo;
use crate::line::piece::Piece;

/// Pieces in order, each with the time when it may leave.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    queue: Fifo<(Piece, Duration)>,
    last_due: Duration,
}

impl Hold {
    /// Holds `piece` for `delay`, and behind all before it.
    pub(crate) fn push(&mut self, piece: Piece, delay: Duration) {
        self.last_due = self.last_due.max(piece.at.saturating_add(delay));
        self.queue.push_back((piece, self.last_due));
    }

    /// Returns the first piece if it may leave, and its arrival time.
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

    pub(crate) fn drain(&mut self) -> Vec<Piece> {
        self.last_due = Duration::ZERO;
        self.queue.drain(..).map(|(piece, _)| piece).collect()
    }
}
