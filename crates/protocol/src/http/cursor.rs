/// The bytes of a piece that have not been read.
#[derive(Debug)]
pub(super) struct Cursor<'b> {
    pub(super) bytes: &'b [u8],
    /// Offset of the next byte in the stream.
    pub(super) offset: u64,
}

impl<'b> Cursor<'b> {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes up to `limit` bytes.
    pub(super) fn take(&mut self, limit: u64) -> &'b [u8] {
        let count = usize::try_from(limit).unwrap_or(usize::MAX).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        self.offset += count as u64;
        taken
    }

    pub(super) fn take_byte(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }
}
