//! Frames: the messages of a reliable session, in two encodings.

use std::fmt::{self, Display, Write as _};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::handshake::Encoding;
use crate::message::{self, MessageError};

/// First byte of a binary frame. JSON begins with another byte.
const MAGIC: u8 = 0xB1;
/// Number of bytes before the payload of a binary frame.
const PREFIX: usize = 26;

/// Fields of a frame without its payload. Sequence numbers count the bytes of a direction from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    pub(crate) flags: Flags,
    /// Sequence number of the payload's first byte, or of the next byte to send.
    pub(crate) seq: u64,
    /// Everything below this number is delivered.
    pub(crate) ack: u64,
    /// Everything below this number has arrived.
    pub(crate) got: u64,
    /// Numbers from this one on must not be sent.
    pub(crate) limit: u64,
}

/// Set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const FIN: Self = Self(1);
    pub(crate) const GAP: Self = Self(2);
    pub(crate) const PROBE: Self = Self(4);
    pub(crate) const RST: Self = Self(8);
    pub(crate) const FINAL: Self = Self(16);
    const NAMES: [(Self, &str); 5] = [
        (Self::FIN, "fin"),
        (Self::GAP, "gap"),
        (Self::PROBE, "ask"),
        (Self::RST, "rst"),
        (Self::FINAL, "done"),
    ];

    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits < 32).then_some(Self(bits))
    }

    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self, is_set: bool) {
        if is_set {
            self.0 |= flag.0;
        }
    }

    fn parse(names: &str) -> Result<Self, FrameError> {
        let mut flags = Self::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let known = Self::NAMES.iter().find(|(_, known)| *known == name);
            flags.0 |= known.ok_or(FrameError::Flags)?.0.0;
        }
        Ok(flags)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(flag, _)| self.has(*flag));
        for (index, (_, name)) in names.enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Error for a message that is not a frame of this session.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the frame is shorter than its fields")]
    Short,
    #[error("unknown frame flags")]
    Flags,
    #[error("`{0}` is missing or not a number")]
    Number(&'static str),
    #[error("the numbers of the frame contradict each other")]
    Numbers,
}

/// Encoder and decoder for the frames of one session.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) encoding: Encoding,
    pub(crate) id: Box<str>,
}

impl Codec {
    /// Maximum size of a JSON frame without its ID and its encoded payload, in bytes.
    const JSON_OVERHEAD: usize = 200;

    /// Returns the maximum payload length of a frame in a NATS message of `max` bytes.
    pub(crate) fn payload_within(&self, max: usize) -> usize {
        match self.encoding {
            Encoding::Binary => max.saturating_sub(PREFIX),
            Encoding::Json => max.saturating_sub(Self::JSON_OVERHEAD + self.id.len()) / 4 * 3,
        }
    }

    /// Encodes a frame of at most `max` bytes with as much of `payload` as fits. The header is always included.
    pub(crate) fn encode_within(&self, header: &Header, payload: &[u8], max: usize) -> Bytes {
        let room = max.saturating_sub(self.encode(header, &[]).len());
        let room = match self.encoding {
            Encoding::Binary => room,
            // A frame without a payload contains `null`.
            Encoding::Json => (room + 2) / 4 * 3,
        };
        self.encode(header, &payload[..payload.len().min(room)])
    }

    pub(crate) fn encode(&self, header: &Header, payload: &[u8]) -> Bytes {
        match self.encoding {
            Encoding::Binary => binary(header, payload),
            Encoding::Json => {
                let mut out = BytesMut::with_capacity(
                    payload.len().div_ceil(3) * 4 + Self::JSON_OVERHEAD + self.id.len(),
                );
                message::begin(&mut out, &self.id, payload);
                let Header { flags, seq, ack, got, limit } = header;
                let fields: [(_, &dyn Display); 5] =
                    [("flags", flags), ("seq", seq), ("ack", ack), ("got", got), ("limit", limit)];
                message::end(&mut out, fields);
                out.freeze()
            }
        }
    }

    pub(crate) fn decode(&self, message: Bytes) -> Result<(Header, Bytes), FrameError> {
        if message.first() == Some(&MAGIC) { read_binary(message) } else { self.read_json(&message) }
    }

    fn read_json(&self, text: &[u8]) -> Result<(Header, Bytes), FrameError> {
        let message = message::decode(text)?;
        if message.id != *self.id {
            return Err(MessageError::Foreign.into());
        }
        let number =
            |name| message.get(name).and_then(|text| text.parse().ok()).ok_or(FrameError::Number(name));
        let header = Header {
            flags: Flags::parse(message.get("flags").unwrap_or(""))?,
            seq: number("seq")?,
            ack: number("ack")?,
            got: number("got")?,
            limit: number("limit")?,
        };
        if header.got < header.ack || header.limit < header.ack {
            return Err(FrameError::Numbers);
        }
        Ok((header, message.data))
    }
}

fn binary(header: &Header, payload: &[u8]) -> Bytes {
    let beyond_ack = |number: u64| u32::try_from(number - header.ack).unwrap_or(u32::MAX);
    let mut out = BytesMut::with_capacity(PREFIX + payload.len());
    out.put_u8(MAGIC);
    out.put_u8(header.flags.0);
    out.put_u64(header.seq);
    out.put_u64(header.ack);
    out.put_u32(beyond_ack(header.got));
    out.put_u32(beyond_ack(header.limit));
    out.put_slice(payload);
    out.freeze()
}

fn read_binary(mut frame: Bytes) -> Result<(Header, Bytes), FrameError> {
    if frame.len() < PREFIX {
        return Err(FrameError::Short);
    }
    frame.advance(1);
    let flags = Flags::from_bits(frame.get_u8()).ok_or(FrameError::Flags)?;
    let (seq, ack) = (frame.get_u64(), frame.get_u64());
    let mut beyond_ack = || ack.checked_add(frame.get_u32().into()).ok_or(FrameError::Numbers);
    let (got, limit) = (beyond_ack()?, beyond_ack()?);
    Ok((Header { flags, seq, ack, got, limit }, frame))
}
