//! Commands in the stream of requests.

use super::line::{Line, whole_number};
use super::other_protocol;
use crate::event::OpaqueReason;
use crate::framer::{Opaque, TLS_HANDSHAKE};
use crate::key::Prefix;

/// Limits of the server: `proto-max-bulk-len`, the number of arguments, and the length of an inline command.
const MAX_BULK: u64 = 512 << 20;
const MAX_ARGUMENTS: u64 = 1 << 20;
const MAX_INLINE: usize = 64 << 10;

const LINE_BREAK: usize = 2;

/// Reads commands: arrays of arguments, or inline commands.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Offset of the next byte.
    offset: u64,
    /// Offset of the line that is read, for errors.
    line_begin: u64,
    state: State,
    count: u64,
    /// Index of the argument that is read.
    index: u64,
    line: Line,
    prefix: Prefix,
    inline: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Start,
    /// `*` and the number of arguments.
    Count,
    /// `$` and the length of an argument.
    Length,
    /// The first bytes of an argument, which are read.
    Argument { wanted: usize, rest: u64 },
    /// The rest of an argument and its line break, which are skipped.
    Rest(u64),
    /// A command in one line.
    Inline,
}

/// A step through a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A command that arrives in one piece, as nearly all do. It stands for the other steps.
    Whole { offset: u64, arguments: Arguments<'a>, end: u64 },
    /// The first byte of something that may be a command.
    Begins { offset: u64 },
    /// The first bytes of an argument that is read.
    Argument { index: u64, count: u64, text: &'a [u8] },
    /// A whole inline command.
    Inline { line: &'a [u8] },
    /// The end of the command.
    Ends { offset: u64 },
}

impl Commands {
    /// Takes bytes from `bytes` up to the next step. `wanted` is the number of bytes to read of the argument with an index, or `None` to
    /// skip it.
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        wanted: impl Fn(u64) -> Option<usize>,
    ) -> Result<Option<Step<'a>>, Opaque> {
        loop {
            match self.state {
                State::Start => {
                    let Some(first) = bytes.first() else { return Ok(None) };
                    if let Some((arguments, behind)) = Arguments::read(bytes) {
                        let offset = self.offset;
                        self.offset += (bytes.len() - behind.len()) as u64;
                        *bytes = behind;
                        return Ok(Some(Step::Whole { offset, arguments, end: self.offset }));
                    }
                    if self.offset == 0 && *first == TLS_HANDSHAKE {
                        return Err(Opaque { offset: 0, reason: OpaqueReason::Encrypted });
                    }
                    self.line = Line::default();
                    self.line_begin = self.offset;
                    self.inline.clear();
                    self.inline.shrink_to(0);
                    self.state = if *first == b'*' { State::Count } else { State::Inline };
                    return Ok(Some(Step::Begins { offset: self.offset }));
                }
                State::Count => {
                    let Some(count) = self.read_number(bytes)? else { return Ok(None) };
                    let count = u64::try_from(count).unwrap_or(0);
                    if count > MAX_ARGUMENTS {
                        return Err(other_protocol(self.offset));
                    }
                    (self.count, self.index) = (count, 0);
                    if count == 0 {
                        self.state = State::Start;
                        return Ok(Some(Step::Ends { offset: self.offset }));
                    }
                    self.state = State::Length;
                }
                State::Length => {
                    let Some(first) = bytes.first() else { return Ok(None) };
                    if self.line.is_empty() && *first != b'$' {
                        return Err(other_protocol(self.offset));
                    }
                    let Some(length) = self.read_number(bytes)? else { return Ok(None) };
                    let length = u64::try_from(length).ok().filter(|length| *length <= MAX_BULK);
                    let length = length.ok_or(other_protocol(self.offset))?;
                    self.prefix.clear();
                    self.state = match wanted(self.index) {
                        Some(wanted) => {
                            let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(wanted);
                            State::Argument { wanted, rest: length - wanted as u64 + LINE_BREAK as u64 }
                        }
                        None => State::Rest(length + LINE_BREAK as u64),
                    };
                }
                State::Argument { wanted, rest } => {
                    let (taken, text) = self.prefix.read(bytes, wanted);
                    *bytes = &bytes[taken..];
                    self.offset += taken as u64;
                    let Some(text) = text else { return Ok(None) };
                    self.state = State::Rest(rest);
                    return Ok(Some(Step::Argument { index: self.index, count: self.count, text }));
                }
                State::Rest(0) => {
                    self.index += 1;
                    if self.index < self.count {
                        self.state = State::Length;
                    } else {
                        self.state = State::Start;
                        return Ok(Some(Step::Ends { offset: self.offset }));
                    }
                }
                State::Rest(rest) => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let skipped = (bytes.len() as u64).min(rest);
                    *bytes = &bytes[usize::try_from(skipped).unwrap_or(bytes.len())..];
                    self.offset += skipped;
                    self.state = State::Rest(rest - skipped);
                }
                State::Inline => {
                    if self.inline.last() == Some(&b'\n') {
                        self.state = State::Rest(0);
                        (self.count, self.index) = (0, 0);
                        return Ok(Some(Step::Inline { line: self.inline.trim_ascii() }));
                    }
                    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
                    if end == 0 {
                        return Ok(None);
                    }
                    if self.inline.len() + end > MAX_INLINE {
                        return Err(other_protocol(self.line_begin));
                    }
                    self.inline.extend_from_slice(&bytes[..end]);
                    *bytes = &bytes[end..];
                    self.offset += end as u64;
                }
            }
        }
    }

    /// Returns the number in a line once it is complete.
    fn read_number(&mut self, bytes: &mut &[u8]) -> Result<Option<i64>, Opaque> {
        if self.line.is_empty() {
            self.line_begin = self.offset;
            // Nearly all lines arrive whole.
            if let Some((number, length)) = whole_number(bytes) {
                *bytes = &bytes[length..];
                self.offset += length as u64;
                return Ok(Some(number.cast_signed()));
            }
        }
        let (taken, is_complete) = self.line.read(bytes);
        *bytes = &bytes[taken..];
        self.offset += taken as u64;
        if !is_complete {
            return if self.line.is_long() { Err(other_protocol(self.line_begin)) } else { Ok(None) };
        }
        let number = self.line.number().ok_or(other_protocol(self.line_begin))?;
        self.line = Line::default();
        Ok(Some(number))
    }
}

/// The arguments of a command that is there as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments<'a> {
    pub(super) count: u64,
    /// The first ones, which are nearly always the only ones that are read.
    first: [&'a [u8]; 2],
    bytes: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// Reads the command at the beginning. Returns its arguments and the bytes behind it, if all of it is there.
    ///
    /// This function is not inlined, so that the registers suffice for it.
    #[inline(never)]
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        if bytes.first() != Some(&b'*') {
            return None;
        }
        let (count, length) = whole_number(bytes)?;
        let count = Some(count).filter(|count| (1..=MAX_ARGUMENTS).contains(count))?;
        let mut first = [&[][..]; 2];
        let mut end = length;
        for index in 0..usize::try_from(count).ok()? {
            let argument;
            (argument, end) = whole_argument(bytes, end)?;
            if let Some(place) = first.get_mut(index) {
                *place = argument;
            }
        }
        let (bytes, behind) = bytes.split_at(end);
        Some((Self { count, first, bytes: &bytes[length..] }, behind))
    }

    /// Returns the argument with this index: 0 is the name of the command.
    pub(super) fn get(&self, index: u64) -> Option<&'a [u8]> {
        let index = usize::try_from(index).ok().filter(|index| (*index as u64) < self.count)?;
        if let Some(argument) = self.first.get(index) {
            return Some(argument);
        }
        let mut at = 0;
        for _ in 0..index {
            at = whole_argument(self.bytes, at)?.1;
        }
        Some(whole_argument(self.bytes, at)?.0)
    }
}

/// Returns the argument at this place, and the place behind it, if all of it is there.
#[inline(always)]
fn whole_argument(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let bytes = bytes.get(at..)?;
    if bytes.first() != Some(&b'$') {
        return None;
    }
    let (length, begin) = whole_number(bytes)?;
    if length > MAX_BULK {
        return None;
    }
    let end = begin + usize::try_from(length).ok()?;
    if bytes.len() < end + LINE_BREAK {
        return None;
    }
    Some((&bytes[begin..end], at + end + LINE_BREAK))
}
