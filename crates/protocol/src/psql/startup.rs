//! The start of a session, up to the first ReadyForQuery.

use super::messages::Step;
use super::{Psql, other_protocol};
use crate::event::OpaqueReason;
use crate::framer::{Opaque, TLS_HANDSHAKE};

/// Longest packet that starts a session, as in PostgreSQL.
const MAX_PACKET: u64 = 10_000;

/// Length of the header of such a packet: its length and its code.
const HEADER: u8 = 8;

/// Codes in this header, as in PostgreSQL's `pqcomm.h`. That of a start has the major version of the protocol in its upper half.
const CANCEL: u64 = 80_877_102;
const SSL: u64 = 80_877_103;
const GSS: u64 = 80_877_104;
const MAJOR_VERSION: u64 = 3;

/// Part of the session that is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Startup {
    /// The header of a packet without a tag: a start, or a request for encryption.
    Header { read: u64, count: u8 },
    /// The parameters of the session.
    Parameters,
    /// The byte with which the server answers a request for encryption.
    EncryptionAnswer,
    /// Messages up to the first ReadyForQuery.
    Authentication,
    /// Requests and responses.
    Done,
    /// The key of a request of another connection, to cancel it.
    Cancellation,
    /// Nothing: the connection has canceled a request of another one.
    Canceled,
}

impl Default for Startup {
    fn default() -> Self {
        Self::Header { read: 0, count: 0 }
    }
}

impl Psql {
    /// Reads the packets that start a session. Returns true once messages follow.
    pub(super) fn on_startup(&mut self, bytes: &mut &[u8]) -> Result<bool, Opaque> {
        loop {
            match self.session.startup {
                Startup::Header { read, count } => {
                    let Some((byte, rest)) = bytes.split_first() else { return Ok(false) };
                    // So begins a client with `sslnegotiation=direct`. As a length, it is too long.
                    if count == 0 && *byte == TLS_HANDSHAKE {
                        return Err(Opaque { offset: self.requests.offset, reason: OpaqueReason::Encrypted });
                    }
                    *bytes = rest;
                    self.requests.offset += 1;
                    let (read, count) = ((read << 8) | u64::from(*byte), count + 1);
                    self.session.startup = match count {
                        HEADER => self.after_header(read >> 32, read & 0xffff_ffff)?,
                        _ => Startup::Header { read, count },
                    };
                }
                Startup::Parameters => match self.requests.next(bytes, |_| 0)? {
                    None => return Ok(false),
                    Some(Step::Prefix { payload, .. }) if asks_for_replication(payload) => {
                        let reason = OpaqueReason::Replication;
                        return Err(Opaque { offset: self.requests.offset, reason });
                    }
                    Some(Step::Ends { .. }) => self.session.startup = Startup::Authentication,
                    Some(_) => {}
                },
                Startup::Cancellation => match self.requests.next(bytes, |_| 0)? {
                    None => return Ok(false),
                    Some(Step::Ends { .. }) => self.session.startup = Startup::Canceled,
                    Some(_) => {}
                },
                // The client must wait for the answer, and nothing follows a cancellation.
                Startup::EncryptionAnswer | Startup::Canceled if bytes.is_empty() => return Ok(false),
                Startup::EncryptionAnswer | Startup::Canceled => {
                    return Err(other_protocol(self.requests.offset));
                }
                Startup::Authentication | Startup::Done => return Ok(true),
            }
        }
    }
}

impl Psql {
    fn after_header(&mut self, length: u64, code: u64) -> Result<Startup, Opaque> {
        let header = u64::from(HEADER);
        let next = match code {
            SSL | GSS if length == header => return Ok(Startup::EncryptionAnswer),
            CANCEL => Startup::Cancellation,
            _ if code >> 16 == MAJOR_VERSION => Startup::Parameters,
            _ => return Err(other_protocol(self.requests.offset)),
        };
        if !(header + 1..=MAX_PACKET).contains(&length) {
            return Err(other_protocol(self.requests.offset));
        }
        let rest = u32::try_from(length - header).expect("it is at most MAX_PACKET");
        self.requests.read_untagged(rest);
        Ok(next)
    }

    /// Reads the byte with which the server answers a request for encryption. Returns true once messages follow.
    pub(super) fn on_startup_response(&mut self, bytes: &mut &[u8]) -> Result<bool, Opaque> {
        match (self.session.startup, bytes.split_first()) {
            (_, None) => Ok(false),
            (Startup::Authentication | Startup::Done, _) => Ok(true),
            (Startup::EncryptionAnswer, Some((b'N', rest))) => {
                *bytes = rest;
                self.responses.offset += 1;
                self.session.startup = Startup::default();
                self.on_startup_response(bytes)
            }
            (Startup::EncryptionAnswer, Some((b'S' | b'G', _))) => {
                Err(Opaque { offset: self.responses.offset, reason: OpaqueReason::Encrypted })
            }
            _ => Err(other_protocol(self.responses.offset)),
        }
    }
}

/// Returns true if the parameters of a start have `replication` with another value than false.
fn asks_for_replication(parameters: &[u8]) -> bool {
    let mut texts = parameters.split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if name == b"replication" {
            let is_off =
                ["false", "off", "no", "0"].iter().any(|off| value.eq_ignore_ascii_case(off.as_bytes()));
            return !is_off;
        }
    }
    false
}
