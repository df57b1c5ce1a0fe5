//! The JSON message that both ends exchange, in requests, replies and data:
//!
//! ```json
//! {"ID":"93e6cb0299a5e8f4","Reply":"","Data":"aGVsbG8=","Metadata":null}
//! ```
//!
//! `Data` is standard base64 with padding, or null; `Metadata` an object of strings, or null. Keys are written
//! in this order. A reader tolerates unknown and missing fields and null for any of them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Display, Write as _},
};

use base64_simd::{AsOut as _, STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{
    Deserialize,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::error::Category;

/// Key of `Metadata` with the type of a message. [`CLOSE`] is the only value in use.
const TYPE: &str = "type";
/// Value of [`TYPE`] in the last message of an end.
const CLOSE: &str = "close";

const HEAD: &[u8] = br#"{"ID":""#;
const DATA: &[u8] = br#"","Reply":"","Data":"#;
const METADATA: &[u8] = br#","Metadata":"#;

/// A parsed message. It borrows from the payload where possible.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) data: Bytes,
    /// Each key once, sorted. A value of null reads as the empty string.
    pub(crate) metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Message<'_> {
    /// The value of a metadata key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// True if this is the last message of the sender.
    pub(crate) fn is_close(&self) -> bool {
        self.get(TYPE) == Some(CLOSE)
    }
}

/// Error for a payload that is not a usable message. The texts do not contain any of the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// The payload is not JSON.
    #[error("not JSON (line {line}, column {column} of {len} bytes)")]
    NotJson {
        /// Where the reader stopped; the first line is 1.
        line: usize,
        /// Where the reader stopped in that line, in bytes.
        column: usize,
        /// The length of the payload in bytes.
        len: usize,
    },
    /// JSON, but a part of it is of another type than a message has.
    #[error("{part} is not {expected}")]
    WrongType {
        /// `the payload` or the name of a field.
        part: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// `Data` is not standard base64 with padding.
    #[error("Data is not base64")]
    NotBase64,
    /// The message is of another session.
    #[error("the message is of another session")]
    Foreign,
}

/// Returns an upper bound for the bytes that [`begin`] and [`end`] write, for data of `data_len` bytes and metadata
/// that takes `metadata_len` bytes as a JSON object (see [`metadata_len`]).
pub(crate) fn capacity(id: &str, data_len: usize, metadata_len: usize) -> usize {
    // `""` around the data, `null` instead of an object, `}`.
    HEAD.len()
        + escaped_len(id)
        + DATA.len()
        + 2
        + STANDARD.encoded_length(data_len).max(4)
        + METADATA.len()
        + metadata_len.max(4)
        + 1
}

/// Returns the size of `metadata` as a JSON object, in bytes.
pub(crate) fn metadata_len(metadata: &[(&str, &str)]) -> usize {
    2 + metadata.iter().map(|(key, value)| escaped_len(key) + escaped_len(value) + 6).sum::<usize>()
}

/// Returns the maximum data length of a message without metadata and with at most `max` bytes.
pub(crate) fn data_within(id: &str, max: usize) -> usize {
    max.saturating_sub(capacity(id, 0, 0)) / 4 * 3
}

/// Writes a message up to and including `"Metadata":`. Empty `data` becomes null.
pub(crate) fn begin(out: &mut BytesMut, id: &str, data: &[u8]) {
    out.put_slice(HEAD);
    escape(out, id);
    out.put_slice(DATA);
    if data.is_empty() {
        out.put_slice(b"null");
    } else {
        out.put_u8(b'"');
        let start = out.len();
        out.resize(start + STANDARD.encoded_length(data.len()), 0);
        let _text = STANDARD.encode(data, out[start..].as_out());
        out.put_u8(b'"');
    }
    out.put_slice(METADATA);
}

/// Completes a message that [`begin`] started: writes the metadata, or null.
pub(crate) fn end<'a>(out: &mut BytesMut, metadata: impl IntoIterator<Item = (&'a str, impl Display)>) {
    let mut before = "{\"";
    for (key, value) in metadata {
        out.put_slice(before.as_bytes());
        escape(out, key);
        out.put_slice(b"\":\"");
        write!(Escaped(out), "{value}").expect("a buffer takes everything");
        out.put_u8(b'"');
        before = ",\"";
    }
    out.put_slice(if before == "{\"" { b"null}" } else { b"}}" });
}

/// Encodes a complete message.
pub(crate) fn encode(id: &str, data: &[u8], metadata: &[(&str, &str)]) -> Bytes {
    let mut out = BytesMut::with_capacity(capacity(id, data.len(), metadata_len(metadata)));
    begin(&mut out, id, data);
    end(&mut out, metadata.iter().copied());
    out.freeze()
}

/// Returns the message of the plain protocol that closes a session.
pub(crate) fn close(id: &str) -> Bytes {
    encode(id, &[], &[(TYPE, CLOSE)])
}

/// Encodes a complete message with an empty object as metadata, as in replies to peers.
pub(crate) fn encode_reply(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(capacity("", data.len(), 0));
    begin(&mut out, "", data);
    out.put_slice(b"{}}");
    out.freeze()
}

/// Parses a message.
///
/// # Errors
/// Describes what is wrong with the payload. Metadata that is not a string is an error, as it is for peers.
pub(crate) fn decode(payload: &[u8]) -> Result<Message<'_>, MessageError> {
    let mut part = Part::Payload;
    let mut json = serde_json::Deserializer::from_slice(payload);
    let raw = Reader(&mut part).deserialize(&mut json).and_then(|raw| json.end().map(|()| raw));
    let raw = raw.map_err(|error| match error.classify() {
        Category::Data => MessageError::WrongType { part: part.name(), expected: part.expected() },
        Category::Io | Category::Syntax | Category::Eof => {
            MessageError::NotJson { line: error.line(), column: error.column(), len: payload.len() }
        }
    })?;
    Ok(Message {
        id: raw.id.unwrap_or_default().0,
        data: match raw.data {
            Some(text) => STANDARD.decode_to_vec(text.0).map_err(|_| MessageError::NotBase64)?.into(),
            None => Bytes::new(),
        },
        metadata: (raw.metadata.unwrap_or_default().into_iter())
            .map(|(key, value)| (key.0, value.unwrap_or_default().0))
            .collect(),
    })
}

/// Text that is borrowed if the JSON does not contain escapes.
#[derive(Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Like [`Text`], without checking that it is UTF-8.
#[derive(Deserialize)]
struct Raw<'a>(#[serde(borrow)] Cow<'a, [u8]>);

#[derive(Default)]
struct Fields<'a> {
    id: Option<Text<'a>>,
    data: Option<Raw<'a>>,
    metadata: Option<BTreeMap<Text<'a>, Option<Text<'a>>>>,
}

/// Part of a message that is being parsed. Errors name it, because the errors of serde would show the payload.
#[derive(Clone, Copy, Deserialize)]
enum Part {
    #[serde(skip)]
    Payload,
    #[serde(rename = "ID")]
    Id,
    Data,
    Metadata,
    #[serde(other)]
    Other,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Payload | Self::Other => "the payload",
            Self::Id => "ID",
            Self::Data => "Data",
            Self::Metadata => "Metadata",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Payload | Self::Other => "an object",
            Self::Id | Self::Data => "a string",
            Self::Metadata => "an object of strings",
        }
    }
}

struct Reader<'p>(&'p mut Part);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a message")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Fields::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(part) = map.next_key()? {
            *self.0 = part;
            match part {
                Part::Id => fields.id = map.next_value()?,
                Part::Data => fields.data = map.next_value()?,
                Part::Metadata => fields.metadata = map.next_value()?,
                Part::Payload | Part::Other => map.next_value::<serde::de::IgnoredAny>().map(drop)?,
            }
        }
        Ok(fields)
    }
}

/// Writer that escapes text for a JSON string.
struct Escaped<'a>(&'a mut BytesMut);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut BytesMut, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| must_be_escaped(byte)) {
        out.put_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.put_slice(&[b'\\', byte]),
            control => write!(out, "\\u{control:04x}").expect("a buffer takes everything"),
        }
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

fn escaped_len(text: &str) -> usize {
    let escape = |byte| match byte {
        b'"' | b'\\' => 2,
        byte if must_be_escaped(byte) => 6,
        _ => 1,
    };
    text.bytes().map(escape).sum()
}

#[cfg(test)]
mod tests;
