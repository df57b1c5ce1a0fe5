//! Cuts a flow into small pieces that are delivered one by one.

use std::time::Duration;

use rand::RngExt;

use crate::fifo::Fifo;
use crate::line::draws::DrawKey;
use crate::line::piece::Piece;

/// What may wait.
const WAITING_LIMIT: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Slicer {
    size: u32,
    variation: u32,
    delay: Duration,
    queue: Fifo<Piece>,
    waiting: usize,
    /// Bytes that the slice now passing still takes; 0: none is.
    left: usize,
    not_before: Duration,
}

impl Slicer {
    pub(crate) fn new(size: u32, variation: u32, delay: Duration) -> Self {
        Self { size, variation, delay, queue: Fifo::new(), waiting: 0, left: 0, not_before: Duration::ZERO }
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        self.waiting += piece.len;
        self.queue.push_back(piece);
    }

    /// The piece, and the size of its slice if that was drawn for it.
    pub(crate) fn pop(&mut self, now: Duration, key: DrawKey) -> Option<(Piece, Option<usize>)> {
        if self.due()? > now {
            return None;
        }
        let begins = self.left == 0;
        let first = self.queue.front_mut()?;
        // What continues a slice does not leave before what began it, whenever it came.
        let at = first.at.max(self.not_before);
        if first.len == 0 {
            return self.queue.pop_front().map(|end| (Piece { at, ..end }, None));
        }
        let mut size = None;
        if begins {
            let sizes = self.size - self.variation..=self.size.saturating_add(self.variation);
            self.left = key.at(first.offset).random_range(sizes) as usize;
            self.not_before = at;
            size = Some(self.left);
        }
        let mut piece =
            if self.left < first.len { first.split(self.left) } else { self.queue.pop_front()? };
        self.waiting -= piece.len;
        self.left -= piece.len;
        piece.at = at;
        if self.left == 0 {
            piece.cut = true;
            self.not_before = at.saturating_add(self.delay);
        }
        Some((piece, size))
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        Some(self.queue.front()?.at.max(self.not_before))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= WAITING_LIMIT
    }

    pub(crate) fn memory(&self) -> usize {
        self.queue.memory()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.waiting = 0;
        self.queue.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::piece::Ending;

    #[test]
    fn a_slice_of_two_pieces_keeps_its_distance_from_the_next() {
        let mut slicer = Slicer::new(10, 0, Duration::from_secs(1));
        let key = DrawKey::new(1, "db", 1, None, "slicer");
        for _ in 0..2 {
            slicer.push(Piece { len: 15, ..Piece::ending(Duration::ZERO, Ending::No) });
        }
        let mut left = Vec::new();
        while let Some(due) = slicer.due() {
            let (piece, _) = slicer.pop(due, key).expect("it is due");
            left.push((piece.len, piece.at.as_secs(), piece.cut));
        }
        assert_eq!(left, [(10, 0, true), (5, 1, false), (5, 1, true), (10, 2, true)]);
    }
}
