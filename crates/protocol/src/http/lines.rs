//! Lines up to an empty one, as in a head and in trailers.

use memchr::memchr2;

use super::cursor::Cursor;
use crate::event::OpaqueReason;

/// Longest head, and longest trailers.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// Finds the end of an empty line.
///
/// RFC 9112, section 2.2, lets recipients accept LF without CR. Because not all do, it is ambiguous.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    length: usize,
    /// The line has bytes.
    in_line: bool,
    ends_with_cr: bool,
}

impl Lines {
    /// Starts in a line that is not empty, after this many bytes.
    pub(super) fn after(length: usize) -> Self {
        Self { length, in_line: true, ends_with_cr: false }
    }

    /// Returns true at the end of an empty line.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, OpaqueReason> {
        if self.length == MAX_HEAD {
            return Err(OpaqueReason::LongHead);
        }
        self.length += 1;
        if self.ends_with_cr != (byte == b'\n') {
            return Err(OpaqueReason::Ambiguous);
        }
        self.ends_with_cr = byte == b'\r';
        match byte {
            b'\n' if !self.in_line => return Ok(true),
            b'\n' => self.in_line = false,
            b'\r' => {}
            _ => self.in_line = true,
        }
        Ok(false)
    }

    /// Takes bytes up to the end of an empty line. Returns true if there is one.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, OpaqueReason> {
        while !cursor.is_empty() {
            let ordinary = if self.ends_with_cr { 0 } else { self.skip(cursor.bytes)? };
            cursor.take(ordinary as u64);
            let Some(byte) = cursor.take_byte() else { break };
            if self.push(byte)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads bytes up to the first one that can be of a line break. Returns their number.
    fn skip(&mut self, bytes: &[u8]) -> Result<usize, OpaqueReason> {
        let count = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        if count > MAX_HEAD - self.length {
            return Err(OpaqueReason::LongHead);
        }
        self.length += count;
        self.in_line |= count > 0;
        Ok(count)
    }
}
