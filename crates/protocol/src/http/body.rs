//! Content of messages, as in RFC 9112, section 6.

use super::chunks::Chunks;
use super::cursor::Cursor;
use crate::event::OpaqueReason;

/// The part of a message after its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// A step through a body.
#[derive(Debug)]
pub(super) enum Step<'b> {
    /// Bytes of the content.
    Data(&'b [u8]),
    Ends,
    /// The piece has been read.
    NeedsMore,
}

impl Body {
    pub(super) fn next<'b>(&mut self, cursor: &mut Cursor<'b>) -> Result<Step<'b>, OpaqueReason> {
        match self {
            Self::Length(0) => Ok(Step::Ends),
            Self::Chunked(chunks) => chunks.next(cursor),
            _ if cursor.is_empty() => Ok(Step::NeedsMore),
            Self::Length(rest) => {
                let data = cursor.take(*rest);
                *rest -= data.len() as u64;
                Ok(Step::Data(data))
            }
            Self::UntilClose => Ok(Step::Data(cursor.take(u64::MAX))),
        }
    }
}
