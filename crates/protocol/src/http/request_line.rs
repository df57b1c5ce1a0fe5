//! The beginning of a head.

use crate::event::OpaqueReason;
use crate::key::MAX_KEY;

/// Longer than the longest registered method.
const MAX_METHOD: usize = 32;

/// Protocol and major version: after the target of a request, and at the beginning of a response.
pub(super) const VERSION: &[u8] = b"HTTP/1.";

/// Reads a request line up to the version, or up to [`MAX_KEY`] bytes of the target.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RequestLine {
    method: usize,
    target: usize,
    part: Part,
}

#[derive(Debug, Default, Clone, Copy)]
enum Part {
    #[default]
    Method,
    Target,
    Version(usize),
    Done,
}

impl RequestLine {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.part, Part::Done)
    }

    /// Takes bytes until the line has been read far enough. Returns their number.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, OpaqueReason> {
        for (index, byte) in bytes.iter().enumerate() {
            match (self.part, byte) {
                (Part::Done, _) => return Ok(index),
                (Part::Method, b' ') if self.method > 0 => self.part = Part::Target,
                (Part::Method, byte) if is_token(*byte) && self.method < MAX_METHOD => self.method += 1,
                (Part::Target, b' ') if self.target > 0 => self.part = Part::Version(0),
                (Part::Target, 0x21..=0x7e | 0x80..) => {
                    self.target += 1;
                    if self.target == MAX_KEY {
                        self.part = Part::Done;
                    }
                }
                (Part::Version(matched), byte) if *byte == VERSION[matched] => {
                    self.part =
                        if matched + 1 == VERSION.len() { Part::Done } else { Part::Version(matched + 1) };
                }
                _ => return Err(OpaqueReason::OtherProtocol),
            }
        }
        Ok(bytes.len())
    }

    /// Returns the method and the first bytes of the target.
    pub(super) fn parts<'a>(&self, text: &'a [u8]) -> (&'a str, &'a [u8]) {
        let (method, rest) = text.split_at(self.method);
        // A token is text.
        (str::from_utf8(method).unwrap_or_default(), &rest[1..=self.target])
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
