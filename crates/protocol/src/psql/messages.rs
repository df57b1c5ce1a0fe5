//! Messages of the stream of one direction.

use crate::event::OpaqueReason;
use crate::framer::Opaque;
use crate::key::Prefix;

/// Longest message: the limit of PostgreSQL's own allocations is a gigabyte.
const MAX_LENGTH: u32 = 1 << 30;

/// Length of a tag and a length.
const HEADER: u64 = 5;

/// Stands for the tag of a message without a tag.
const UNTAGGED: u8 = 0;

/// Reads messages with a tag of one byte and a length of four.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Offset of the next byte.
    pub(super) offset: u64,
    state: State,
    prefix: Prefix,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Tag,
    Length {
        tag: u8,
        /// The bytes of the length that have been read.
        read: u32,
        count: u8,
    },
    /// The first bytes of the payload, which are read.
    Prefix { tag: u8, wanted: u32, rest: u32 },
    /// The rest of the payload, which is skipped.
    Rest { tag: u8, rest: u32 },
}

/// A step through a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A message that arrives in one piece, as nearly all do, with the first bytes of its payload, and the rest of
    /// it. It stands for the other steps.
    Whole { tag: u8, offset: u64, payload: &'a [u8], rest: &'a [u8], end: u64 },
    /// The tag is at this offset.
    Begins { tag: u8, offset: u64 },
    /// The first bytes of the payload, as many as `wanted` said or the payload has.
    Prefix { tag: u8, payload: &'a [u8], has_rest: bool },
    /// Some of the bytes behind them.
    Rest { tag: u8, bytes: &'a [u8] },
    /// The message ends at this offset.
    Ends { tag: u8, offset: u64 },
}

impl Messages {
    /// Lets the next step be the payload of a message without a tag, all of which is read.
    pub(super) fn read_untagged(&mut self, length: u32) {
        self.prefix.clear();
        self.state = State::prefix(UNTAGGED, length as usize, length);
    }

    /// Takes bytes from `bytes` up to the next step. `wanted` is the number of bytes to read of the payload of a message with a tag.
    #[inline]
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        wanted: impl Fn(u8) -> usize,
    ) -> Result<Option<Step<'a>>, Opaque> {
        loop {
            match self.state {
                State::Tag => {
                    let Some((&tag, rest)) = bytes.split_first() else { return Ok(None) };
                    let offset = self.offset;
                    if let Some((payload, rest)) = whole_payload(rest) {
                        *bytes = rest;
                        self.offset += HEADER + payload.len() as u64;
                        let (payload, rest) = payload.split_at(payload.len().min(wanted(tag)));
                        return Ok(Some(Step::Whole { tag, offset, payload, rest, end: self.offset }));
                    }
                    *bytes = rest;
                    self.offset += 1;
                    self.state = State::Length { tag, read: 0, count: 0 };
                    return Ok(Some(Step::Begins { tag, offset }));
                }
                State::Length { tag, read, count: 4 } => {
                    if !(4..=MAX_LENGTH).contains(&read) {
                        return Err(Opaque { offset: self.offset, reason: OpaqueReason::OtherProtocol });
                    }
                    self.prefix.clear();
                    self.state = State::prefix(tag, wanted(tag), read - 4);
                }
                State::Length { tag, read, count } => {
                    let Some((&byte, rest)) = bytes.split_first() else { return Ok(None) };
                    *bytes = rest;
                    self.offset += 1;
                    self.state = State::Length { tag, read: (read << 8) | u32::from(byte), count: count + 1 };
                }
                State::Prefix { tag, wanted, rest } => {
                    let (taken, payload) = self.prefix.read(bytes, wanted as usize);
                    *bytes = &bytes[taken..];
                    self.offset += taken as u64;
                    let Some(payload) = payload else { return Ok(None) };
                    self.state = State::Rest { tag, rest };
                    return Ok(Some(Step::Prefix { tag, payload, has_rest: rest > 0 }));
                }
                State::Rest { tag, rest: 0 } => {
                    self.state = State::Tag;
                    return Ok(Some(Step::Ends { tag, offset: self.offset }));
                }
                State::Rest { tag, rest } => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let (skipped, behind) = bytes.split_at(bytes.len().min(rest as usize));
                    *bytes = behind;
                    self.offset += skipped.len() as u64;
                    // At most `rest`, which is an u32.
                    self.state =
                        State::Rest { tag, rest: rest - u32::try_from(skipped.len()).unwrap_or(rest) };
                    return Ok(Some(Step::Rest { tag, bytes: skipped }));
                }
            }
        }
    }
}

/// Splits off the payload of a message without its tag, if all of it is there.
fn whole_payload(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    if (4..=MAX_LENGTH).contains(&length) { rest.split_at_checked(length as usize - 4) } else { None }
}

impl State {
    fn prefix(tag: u8, wanted: usize, length: u32) -> Self {
        let wanted = length.min(u32::try_from(wanted).unwrap_or(u32::MAX));
        match wanted {
            0 => Self::Rest { tag, rest: length },
            wanted => Self::Prefix { tag, wanted, rest: length - wanted },
        }
    }
}
