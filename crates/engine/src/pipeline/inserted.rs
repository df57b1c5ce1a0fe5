//! Bytes that faults have inserted and that have not left yet.

use std::num::NonZeroU32;

use bytes::{Buf, Bytes};

/// The insertions of a pipeline. Each has a number, and they leave in order.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    waiting: Vec<(NonZeroU32, Bytes)>,
    last: u32,
}

impl Inserted {
    /// Adds an insertion. Returns its number, which identifies it until it has left.
    pub(crate) fn add(&mut self, bytes: Bytes) -> NonZeroU32 {
        self.last = self.last.checked_add(1).unwrap_or(1);
        let number = NonZeroU32::new(self.last).unwrap_or(NonZeroU32::MIN);
        self.waiting.push((number, bytes));
        number
    }

    /// Takes the next `len` bytes of an insertion.
    pub(crate) fn take(&mut self, number: NonZeroU32, len: usize) -> Bytes {
        let Some(index) = self.waiting.iter().position(|(other, _)| *other == number) else {
            return Bytes::new();
        };
        let bytes = &mut self.waiting[index].1;
        let taken = bytes.split_to(len.min(bytes.len()));
        if !bytes.has_remaining() {
            self.waiting.remove(index);
        }
        taken
    }

    /// Returns the number of bytes that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.waiting.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
