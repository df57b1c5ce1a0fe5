//! Chunked transfer coding, as in RFC 9112, section 7.1.

use super::body::Step;
use super::cursor::Cursor;
use super::lines::Lines;
use crate::event::OpaqueReason;

/// Longest line with the size of a chunk and its extensions.
const MAX_SIZE_LINE: u16 = 4096;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Bytes of the chunk that are still to come.
    rest: u64,
    /// Length of the line with the size.
    line: u16,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// White space between the size and the extensions.
    Space,
    Extensions,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers(Lines),
}

impl Chunks {
    pub(super) fn next<'b>(&mut self, cursor: &mut Cursor<'b>) -> Result<Step<'b>, OpaqueReason> {
        loop {
            if self.state == State::Data && self.rest > 0 {
                if cursor.is_empty() {
                    return Ok(Step::NeedsMore);
                }
                let data = cursor.take(self.rest);
                self.rest -= data.len() as u64;
                return Ok(Step::Data(data));
            }
            if self.state == State::Data {
                self.state = State::DataCr;
            }
            let Some(byte) = cursor.take_byte() else { return Ok(Step::NeedsMore) };
            if self.push(byte)? {
                return Ok(Step::Ends);
            }
        }
    }

    /// Reads a byte between the data of chunks. Returns true at the end of the body.
    fn push(&mut self, byte: u8) -> Result<bool, OpaqueReason> {
        let is_first = self.line == 0;
        self.line += 1;
        if self.line > MAX_SIZE_LINE {
            return Err(OpaqueReason::Ambiguous);
        }
        match (&mut self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() && self.rest >> 60 == 0 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.rest = self.rest << 4 | u64::from(digit);
            }
            (State::Size, _) if is_first => return Err(OpaqueReason::Ambiguous),
            (State::Size | State::Space, b' ' | b'\t') => self.state = State::Space,
            (State::Size | State::Space, b';') => self.state = State::Extensions,
            (State::Size | State::Space | State::Extensions, b'\r') => self.state = State::SizeLf,
            (State::Extensions, b'\t' | 0x20..=0x7e | 0x80..) => {}
            (State::SizeLf, b'\n') => {
                self.line = 0;
                self.state = if self.rest == 0 { State::Trailers(Lines::default()) } else { State::Data };
            }
            (State::DataCr, b'\r') => self.state = State::DataLf,
            (State::DataLf, b'\n') => *self = Self::default(),
            (State::Trailers(lines), _) => {
                self.line = 0;
                return lines.push(byte);
            }
            _ => return Err(OpaqueReason::Ambiguous),
        }
        Ok(false)
    }
}
