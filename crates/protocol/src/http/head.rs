//! Heads of messages, and the length of what follows them, as in RFC 9112, section 6.3.

use httparse::{EMPTY_HEADER, Header, Status};
use memchr::memchr_iter;

use super::body::Body;
use super::chunks::Chunks;
use crate::event::{OpaqueReason, Persistence};

/// Transfer codings that may precede `chunked`.
const COMPRESSIONS: [&str; 5] = ["gzip", "deflate", "compress", "x-gzip", "x-compress"];

/// Collects a head that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer(Vec<u8>);

impl HeadBuffer {
    /// Returns the head up to the end of `bytes`. Copies nothing if they are all of it.
    pub(super) fn joined<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.0.is_empty() {
            return bytes;
        }
        self.0.extend_from_slice(bytes);
        &self.0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the head, and keeps no memory.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

/// Head of a request, as far as the framer needs it.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) body: Body,
    pub(super) expects_continue: bool,
    pub(super) has_upgrade: bool,
    pub(super) persistence: Persistence,
}

impl RequestHead {
    pub(super) fn parse(text: &[u8]) -> Result<Self, OpaqueReason> {
        let mut headers = room(text);
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(text) != Ok(Status::Complete(text.len())) {
            return Err(OpaqueReason::OtherProtocol);
        }
        let fields = Fields::read(request.headers)?;
        let body = match fields.body(request.version)? {
            Some(Body::UntilClose) => return Err(OpaqueReason::Ambiguous),
            body => body.unwrap_or(Body::Length(0)),
        };
        let is_old = request.version == Some(0);
        Ok(Self {
            // RFC 9110, section 10.1.1: servers ignore the expectation of HTTP/1.0.
            expects_continue: fields.expects_continue && !is_old && body != Body::Length(0),
            body,
            has_upgrade: fields.has_upgrade,
            persistence: match (fields.closes, fields.keeps_alive) {
                (true, _) => Persistence::Close,
                (false, true) if is_old => Persistence::Requested,
                (false, false) if is_old => Persistence::Close,
                (false, _) => Persistence::Implicit,
            },
        })
    }
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    version: Option<u8>,
    fields: Fields,
}

impl ResponseHead {
    pub(super) fn parse(text: &[u8]) -> Result<Self, OpaqueReason> {
        let mut headers = room(text);
        let mut response = httparse::Response::new(&mut headers);
        match (response.parse(text), response.code) {
            (Ok(Status::Complete(length)), Some(status @ 100..)) if length == text.len() => {
                Ok(Self { status, version: response.version, fields: Fields::read(response.headers)? })
            }
            _ => Err(OpaqueReason::OtherProtocol),
        }
    }

    /// Returns the body of a response that may have one.
    pub(super) fn body(&self) -> Result<Body, OpaqueReason> {
        Ok(self.fields.body(self.version)?.unwrap_or(Body::UntilClose))
    }

    /// Returns true if the content is a stream of events that can be read.
    pub(super) fn has_events(&self) -> bool {
        self.fields.is_event_stream && !self.fields.is_encoded
    }
}

fn room(text: &[u8]) -> Vec<Header<'_>> {
    vec![EMPTY_HEADER; memchr_iter(b'\n', text).count()]
}

#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    has_codings: bool,
    is_chunked: bool,
    /// The content is compressed, in transfer or as it is.
    is_encoded: bool,
    expects_continue: bool,
    has_upgrade: bool,
    closes: bool,
    keeps_alive: bool,
    is_event_stream: bool,
}

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Self, OpaqueReason> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            if name.eq_ignore_ascii_case("content-length") {
                let length = number(value).ok_or(OpaqueReason::Ambiguous)?;
                if fields.length.replace(length).is_some_and(|other| other != length) {
                    return Err(OpaqueReason::Ambiguous);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                for coding in value.split(|byte| *byte == b',') {
                    fields.add_coding(coding.trim_ascii())?;
                }
            } else if name.eq_ignore_ascii_case("content-encoding") {
                fields.is_encoded |= !value.eq_ignore_ascii_case(b"identity");
            } else if name.eq_ignore_ascii_case("content-type") {
                let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
                fields.is_event_stream = media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
            } else if name.eq_ignore_ascii_case("expect") {
                fields.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            } else if name.eq_ignore_ascii_case("connection") {
                for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    fields.closes |= option.eq_ignore_ascii_case(b"close");
                    fields.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if name.eq_ignore_ascii_case("upgrade") {
                fields.has_upgrade = true;
            }
        }
        Ok(fields)
    }

    fn add_coding(&mut self, coding: &[u8]) -> Result<(), OpaqueReason> {
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        let is_known =
            is_chunked || COMPRESSIONS.iter().any(|name| coding.eq_ignore_ascii_case(name.as_bytes()));
        // The last coding must be `chunked`, once.
        if self.is_chunked || !is_known {
            return Err(OpaqueReason::Ambiguous);
        }
        (self.has_codings, self.is_chunked) = (true, is_chunked);
        self.is_encoded |= !is_chunked;
        Ok(())
    }

    /// Returns the body that the fields declare, if they do.
    fn body(&self, version: Option<u8>) -> Result<Option<Body>, OpaqueReason> {
        match (self.has_codings, self.length) {
            (true, Some(_)) => Err(OpaqueReason::Ambiguous),
            // HTTP/1.0 does not have transfer codings.
            (true, None) if version == Some(0) => Err(OpaqueReason::Ambiguous),
            (true, None) if self.is_chunked => Ok(Some(Body::Chunked(Chunks::default()))),
            (true, None) => Ok(Some(Body::UntilClose)),
            (false, length) => Ok(length.map(Body::Length)),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    // `parse` accepts a sign.
    if value.iter().all(u8::is_ascii_digit) { str::from_utf8(value).ok()?.parse().ok() } else { None }
}
