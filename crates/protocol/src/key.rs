/// Longest key in bytes. Of a longer one, the framer reads this many bytes.
pub const MAX_KEY: usize = 4096;

/// Capacity that a buffer keeps between messages, so that a session stays small.
pub(crate) const KEPT_CAPACITY: usize = 512;

/// Collects the first bytes of a message that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Prefix(Vec<u8>);

impl Prefix {
    /// Returns the first `wanted` bytes of a message once they are complete, and the number of bytes taken from `bytes`.
    /// Copies nothing if `bytes` has them all.
    pub(crate) fn read<'a>(&'a mut self, bytes: &'a [u8], wanted: usize) -> (usize, Option<&'a [u8]>) {
        if self.0.is_empty() && bytes.len() >= wanted {
            return (wanted, Some(&bytes[..wanted]));
        }
        let taken = bytes.len().min(wanted - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        (taken, (self.0.len() == wanted).then_some(&self.0[..]))
    }

    /// Forgets the message.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(KEPT_CAPACITY);
    }
}
