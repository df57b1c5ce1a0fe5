//! Lets nothing pass, and at a deadline ends the session.

use std::collections::VecDeque;
use std::time::Duration;

use crate::line::piece::{Ending, Piece};

/// What may wait before the source is not read any more.
const WAITING_LIMIT: usize = 256 << 10;

/// Closed for as long as it is there.
#[derive(Debug)]
pub(crate) struct Gate {
    discard: bool,
    held: VecDeque<Piece>,
    waiting: usize,
    /// Discarded pieces on their way out.
    discarded: VecDeque<Piece>,
    close_at: Option<Duration>,
}

impl Gate {
    pub(crate) fn new(discard: bool, close_at: Option<Duration>) -> Self {
        Self { discard, held: VecDeque::new(), waiting: 0, discarded: VecDeque::new(), close_at }
    }

    /// Returns true if the piece is discarded.
    pub(crate) fn push(&mut self, piece: Piece) -> bool {
        let is_discarded = self.discard && piece.end == Ending::No;
        if is_discarded {
            self.discarded.push_back(Piece { discarded: true, ..piece });
        } else {
            self.waiting += piece.len;
            self.held.push_back(piece);
        }
        is_discarded
    }

    pub(crate) fn pop(&mut self, now: Duration) -> Option<Piece> {
        if let Some(piece) = self.discarded.pop_front() {
            return Some(piece);
        }
        let at = self.close_at.take_if(|at| *at <= now)?;
        Some(Piece::ending(at, Ending::CloseNow))
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.discarded.front().map(|piece| piece.at).or(self.close_at)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= WAITING_LIMIT
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.waiting = 0;
        self.discarded.drain(..).chain(self.held.drain(..))
    }
}
