//! A queue that grows in small steps and releases memory, because its entries may be larger than the data
//! that they stand for.

use std::collections::VecDeque;
use std::mem::size_of;
use std::ops::{Deref, DerefMut};

/// Minimum number of entries that a queue keeps room for, so that a short queue whose length changes often
/// does not allocate.
const MIN_CAPACITY: usize = 2048;
/// Minimum number of entries by which a queue grows, once it has as many.
const MIN_GROWTH: usize = 1024;

/// A `VecDeque` that grows by a quarter and shrinks once most of it is unused.
#[derive(Debug)]
pub(crate) struct Fifo<T>(VecDeque<T>);

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn push_back(&mut self, entry: T) {
        if self.0.len() == self.0.capacity() {
            // Doubling could exceed a limit that was checked before, up to twice.
            let len = self.0.len();
            self.0.reserve_exact(len.clamp(4, MIN_GROWTH).max(len / 4));
        }
        self.0.push_back(entry);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = self.0.pop_front();
        let (len, capacity) = (self.0.len(), self.0.capacity());
        if capacity > MIN_CAPACITY && len <= capacity / 8 {
            self.0.shrink_to(len * 2);
        }
        first
    }

    /// Returns the allocated memory of the entries in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Fifo<T> {
    type Target = VecDeque<T>;

    fn deref(&self) -> &VecDeque<T> {
        &self.0
    }
}

impl<T> DerefMut for Fifo<T> {
    fn deref_mut(&mut self) -> &mut VecDeque<T> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capacity_follows_the_length() {
        let mut fifo = Fifo::new();
        for number in 0..100_000_u64 {
            fifo.push_back(number);
            let most = (fifo.len() * 5 / 4).max((fifo.len() * 2).min(fifo.len() + MIN_GROWTH)) + 4;
            assert!(fifo.capacity() <= most, "{} for {}", fifo.capacity(), fifo.len());
        }
        for number in 0..100_000 {
            assert_eq!(fifo.pop_front(), Some(number));
            assert!(fifo.capacity() <= (fifo.len() * 8 + 8).max(MIN_CAPACITY), "{}", fifo.capacity());
        }
        assert_eq!(fifo.pop_front(), None);
        assert!(fifo.memory() <= MIN_CAPACITY * 8, "{}", fifo.memory());
    }
}
