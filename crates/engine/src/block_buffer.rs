//! The bytes that a flow holds, in order.

use std::collections::VecDeque;

use bytes::BytesMut;

const MIN_BLOCK: usize = 4 << 10;
const MAX_BLOCK: usize = 1 << 20;

/// Blocks that grow while reads fill them.
#[derive(Debug)]
pub(crate) struct BlockBuffer {
    blocks: VecDeque<BytesMut>,
    /// Bytes of all blocks.
    capacity: usize,
    /// Number of consumed bytes in the first block.
    consumed: usize,
    next_block: usize,
}

impl BlockBuffer {
    pub(crate) fn new() -> Self {
        Self { blocks: VecDeque::new(), capacity: 0, consumed: 0, next_block: MIN_BLOCK }
    }

    /// Returns the block to read the next bytes into. A new block has at most `limit` bytes, or the smallest size.
    pub(crate) fn room(&mut self, limit: usize) -> &mut BytesMut {
        let size = self.next_block.min(limit.max(MIN_BLOCK));
        let spare = self.blocks.back().map_or(0, |block| block.capacity() - block.len());
        if spare < size / 4 {
            let block = BytesMut::with_capacity(size);
            self.capacity += block.capacity();
            self.blocks.push_back(block);
        }
        self.blocks.back_mut().expect("an empty buffer gets a block")
    }

    /// Releases the last block if it is empty. Flows call this after a read without data, because many of
    /// them may be idle.
    pub(crate) fn release_unused(&mut self) {
        if let Some(block) = self.blocks.back().filter(|block| block.is_empty()) {
            self.capacity -= block.capacity();
            self.blocks.pop_back();
        }
    }

    /// Returns the last `len` bytes, which were just read into the block from [`room`](Self::room).
    pub(crate) fn last(&mut self, len: usize) -> &mut [u8] {
        let block = self.blocks.back_mut().expect("bytes were read to it");
        if block.len() == block.capacity() {
            self.next_block = (block.capacity() * 4).min(MAX_BLOCK);
        } else if len < self.next_block / 8 {
            self.next_block = (self.next_block / 2).max(MIN_BLOCK);
        }
        let start = block.len() - len;
        &mut block[start..]
    }

    /// Returns up to `len` bytes from the head. They are fewer if the first block has fewer.
    pub(crate) fn head(&self, len: usize) -> &[u8] {
        let block = self.blocks.front().map_or(&[][..], |block| &block[self.consumed..]);
        &block[..len.min(block.len())]
    }

    /// Puts bytes before the head.
    pub(crate) fn prepend(&mut self, bytes: &[u8]) {
        if let Some(first) = self.blocks.front_mut() {
            let block = BytesMut::from(&first[self.consumed..]);
            self.capacity = self.capacity - first.capacity() + block.capacity();
            *first = block;
            self.consumed = 0;
        }
        let block = BytesMut::from(bytes);
        self.capacity += block.capacity();
        self.blocks.push_front(block);
    }

    /// Drops `len` bytes from the head. An empty buffer releases its blocks, because many sessions are idle.
    pub(crate) fn consume(&mut self, mut len: usize) {
        while let Some(first) = self.blocks.front() {
            let rest = first.len() - self.consumed;
            if len < rest {
                self.consumed += len;
                return;
            }
            len -= rest;
            self.consumed = 0;
            self.capacity -= first.capacity();
            self.blocks.pop_front();
        }
    }

    /// Returns the allocated size of all blocks in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Releases all memory.
    pub(crate) fn shrink(&mut self) {
        self.blocks = VecDeque::new();
        self.capacity = 0;
        self.next_block = MIN_BLOCK;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((0..20_000_usize, 0..20_000_usize), 1..60)) {
            let mut store = BlockBuffer::new();
            let (mut written, mut read) = (0_usize, 0_usize);
            for (add, take) in steps {
                let room = store.room(MAX_BLOCK);
                let add = add.min(room.capacity() - room.len());
                #[allow(clippy::cast_possible_truncation)]
                room.extend((written..written + add).map(|place| place as u8));
                if add > 0 {
                    prop_assert_eq!(store.last(add).len(), add);
                }
                written += add;
                let head = store.head(take.min(written - read));
                prop_assert!(!head.is_empty() || take == 0 || written == read);
                #[allow(clippy::cast_possible_truncation)]
                let expected: Vec<u8> = (read..read + head.len()).map(|place| place as u8).collect();
                prop_assert_eq!(head, &expected[..]);
                let head = head.len();
                store.consume(head);
                read += head;
                let blocks: usize = store.blocks.iter().map(BytesMut::capacity).sum();
                prop_assert_eq!(store.capacity(), blocks);
            }
        }
    }

    #[test]
    fn prepended_bytes_come_before_what_is_left_of_a_block() {
        let mut store = BlockBuffer::new();
        store.room(100).extend_from_slice(b"abcdef");
        store.consume(2);
        store.prepend(b"12");
        assert_eq!(store.head(10), b"12");
        store.consume(1);
        store.prepend(b"3");
        for (head, len) in [(&b"3"[..], 1), (b"2", 1), (b"cdef", 4)] {
            assert_eq!(store.head(10), head);
            store.consume(len);
        }
        assert_eq!((store.head(10), store.capacity()), (&b""[..], 0));
    }

    #[test]
    fn blocks_grow_while_they_are_filled_and_are_given_back() {
        let mut store = BlockBuffer::new();
        for _ in 0..100 {
            let room = store.room(MAX_BLOCK);
            let len = room.capacity() - room.len();
            room.extend(std::iter::repeat_n(0, len));
            store.last(len);
        }
        assert_eq!(store.blocks.back().map(BytesMut::capacity), Some(MAX_BLOCK));
        store.consume(store.blocks.iter().map(BytesMut::len).sum());
        assert!(store.blocks.is_empty());
    }
}
