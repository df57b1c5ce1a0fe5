//! The beginning of the head of a response, as in RFC 9112, section 4.

use super::request_line::VERSION;
use crate::event::OpaqueReason;

/// Reads a status line up to the status.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct StatusLine {
    read: usize,
    status: u16,
}

impl StatusLine {
    /// Length of the part that is read, such as `HTTP/1.1 200`.
    pub(super) const LENGTH: usize = VERSION.len() + 5;

    pub(super) fn push(&mut self, byte: u8) -> Result<(), OpaqueReason> {
        match (self.read.checked_sub(VERSION.len()), byte) {
            (None, _) if byte == VERSION[self.read] => {}
            (Some(0), b'0' | b'1') | (Some(1), b' ') => {}
            (Some(2), b'1'..=b'9') | (Some(3..), b'0'..=b'9') => {
                self.status = self.status * 10 + u16::from(byte - b'0');
            }
            _ => return Err(OpaqueReason::OtherProtocol),
        }
        self.read += 1;
        Ok(())
    }

    /// Returns the status, once it has been read.
    pub(super) fn status(self) -> Option<u16> {
        (self.read == Self::LENGTH).then_some(self.status)
    }
}

/// Returns true for the status of a response that another one to the same request follows. After 101, the session is of another
/// protocol.
pub(super) fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}
