//! Lets nothing pass, and at a deadline ends the session.

use std::time::Duration;

use crate::fifo::Fifo;
use crate::line::piece::{Ending, Piece};

/// What may wait before the source is not read any more.
const WAITING_LIMIT: usize = 256 << 10;

/// Closed for as long as it is there.
#[derive(Debug)]
pub(crate) struct Gate {
    discard: bool,
    held: Fifo<Piece>,
    waiting: usize,
    /// Discarded pieces on their way out.
    discarded: Fifo<Piece>,
    ends_at: Option<(Duration, Ending)>,
    /// This long after the first piece it is to end.
    ends_after: Option<(Duration, Ending)>,
    first_came: Option<Duration>,
    last_word: Option<Ending>,
}

impl Gate {
    pub(crate) fn new(discard: bool) -> Self {
        Self {
            discard,
            held: Fifo::new(),
            waiting: 0,
            discarded: Fifo::new(),
            ends_at: None,
            ends_after: None,
            first_came: None,
            last_word: None,
        }
    }

    /// Closes the session at a time, if one is given; one that discards closes it also when it goes.
    pub(crate) fn timeout(discard: bool, close_at: Option<Duration>) -> Self {
        Self {
            ends_at: close_at.map(|at| (at, Ending::CloseNow)),
            last_word: discard.then_some(Ending::CloseNow),
            ..Self::new(discard)
        }
    }

    /// Resets the session a time after the first piece, or when it goes after that: what it has taken is missing.
    pub(crate) fn reset_on_data(after: Duration) -> Self {
        Self { ends_after: Some((after, Ending::ResetNow)), ..Self::new(true) }
    }

    pub(crate) fn last_word(&self) -> Option<Ending> {
        self.last_word
    }

    /// Takes the place of `before`, whose session is to end as it would have with this one.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        if let Some(first) = before.first_came {
            self.came(first);
        }
    }

    fn came(&mut self, at: Duration) {
        self.first_came.get_or_insert(at);
        if let Some((after, ending)) = self.ends_after.take() {
            self.ends_at = Some((at.saturating_add(after), ending));
            self.last_word = Some(ending);
        }
    }

    /// Returns true if the piece is discarded.
    pub(crate) fn push(&mut self, piece: Piece) -> bool {
        self.came(piece.at);
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
        let (at, ending) = self.ends_at.take_if(|(at, _)| *at <= now)?;
        Some(Piece::ending(at, ending))
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.discarded.front().map(|piece| piece.at).or(self.ends_at.map(|(at, _)| at))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= WAITING_LIMIT
    }

    pub(crate) fn memory(&self) -> usize {
        self.held.memory() + self.discarded.memory()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.waiting = 0;
        self.discarded.drain(..).chain(self.held.drain(..))
    }
}
