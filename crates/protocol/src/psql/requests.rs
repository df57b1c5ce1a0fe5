//! The stream of requests.

use super::messages::Step;
use super::sql::Kinds;
use super::statements::{Statement, TooMany};
use super::{MAX_PENDING, Pending, Psql, Session, emit, other_protocol};
use crate::event::{EventKind, OpaqueReason, Request, Sink};
use crate::framer::Opaque;
use crate::key::MAX_KEY;

/// Returns true for tags that clients send.
fn is_tag(tag: u8) -> bool {
    matches!(
        tag,
        b'Q' | b'P' | b'B' | b'E' | b'D' | b'C' | b'S' | b'H' | b'F' | b'X' | b'd' | b'c' | b'f' | b'p'
    )
}

/// Returns the number of bytes to read of the payload of a message.
fn wanted(tag: u8) -> usize {
    match tag {
        b'Q' | b'P' | b'B' | b'E' | b'C' => MAX_KEY,
        _ => 0,
    }
}

impl Psql {
    pub(crate) fn on_requests(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        if !self.on_startup(&mut bytes)? {
            return Ok(());
        }
        let session = &mut self.session;
        while let Some(step) = self.requests.next(&mut bytes, wanted)? {
            match step {
                // Nothing follows from Describe, which most Executes have before them, and Flush.
                Step::Whole { tag: b'D' | b'H', .. } => {}
                Step::Whole { tag, offset, payload, rest, end } => {
                    session.begin_message(tag, offset, sink)?;
                    if !payload.is_empty() {
                        session.read_message(tag, payload, !rest.is_empty(), sink)?;
                    }
                    session.statements.read_long(rest);
                    session.end_message(tag, end, sink)?;
                }
                Step::Begins { tag, offset } => session.begin_message(tag, offset, sink)?,
                Step::Prefix { tag, payload, has_rest } => {
                    session.read_message(tag, payload, has_rest, sink)?;
                }
                Step::Rest { bytes, .. } => session.statements.read_long(bytes),
                Step::Ends { tag, offset } => session.end_message(tag, offset, sink)?,
            }
        }
        Ok(())
    }
}

impl Session {
    fn begin_message(&mut self, tag: u8, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        if !is_tag(tag) {
            return Err(other_protocol(offset));
        }
        self.begin = offset;
        self.is_undecided = matches!(tag, b'Q' | b'E');
        if tag == b'F' {
            let number = self.begin_request(Pending::Query)?;
            report(offset, number, Kinds::OTHER, &[], sink);
        }
        Ok(())
    }

    /// Reads the first bytes of the payload of a message.
    fn read_message(
        &mut self,
        tag: u8,
        payload: &[u8],
        has_rest: bool,
        sink: Sink<'_>,
    ) -> Result<(), Opaque> {
        let offset = self.begin;
        let too_many = |TooMany| Opaque { offset, reason: OpaqueReason::TooMany };
        match tag {
            b'Q' => {
                let number = self.begin_request(Pending::Query)?;
                let (kinds, key) = self.statements.query(number, payload, has_rest);
                report(offset, number, kinds, key, sink);
            }
            b'E' => {
                let number = self.begin_request(Pending::Execute)?;
                match self.statements.execute(number, payload) {
                    Some(statement) => report(offset, number, statement.kinds, &statement.key, sink),
                    None => report(offset, number, Kinds::OTHER, &[], sink),
                }
            }
            b'P' => self.statements.parse(payload, has_rest).map_err(too_many)?,
            b'B' => self.statements.bind(payload, self.groups).map_err(too_many)?,
            _ => self.statements.close(payload),
        }
        Ok(())
    }

    fn end_message(&mut self, tag: u8, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        if self.is_undecided {
            // Query and Execute have a payload.
            return Err(other_protocol(offset));
        }
        let too_many = |TooMany| Opaque { offset, reason: OpaqueReason::TooMany };
        let found = self.statements.end_long().map_err(too_many)?;
        if let Some(request) = self.sending.take() {
            if let Some(Statement { kinds, key }) = found {
                kinds.with_names(|kinds| {
                    let request = Request { number: request, kinds, key: &key };
                    emit(sink, offset, EventKind::KindsFound(request));
                });
            }
            emit(sink, offset, EventKind::RequestEnds { request, is_group: matches!(tag, b'Q' | b'F') });
        }
        if matches!(tag, b'Q' | b'F' | b'S') {
            emit(sink, offset, EventKind::GroupEnds);
        }
        match tag {
            b'S' if !self.copies_in => self.push(Pending::Sync(self.statements.prepared.sent()))?,
            b'c' | b'f' if self.copies_in => self.copies_in = false,
            b'c' | b'f' if !self.pending.is_empty() => self.push(Pending::CopyEnd)?,
            _ => {}
        }
        Ok(())
    }

    /// Returns the number of a new request.
    fn begin_request(&mut self, pending: impl FnOnce(u64) -> Pending) -> Result<u64, Opaque> {
        let number = self.last + 1;
        self.push(pending(number))?;
        self.last = number;
        self.sending = Some(number);
        self.is_undecided = false;
        Ok(number)
    }

    fn push(&mut self, pending: Pending) -> Result<(), Opaque> {
        if self.pending.len() >= MAX_PENDING {
            return Err(Opaque { offset: self.begin, reason: OpaqueReason::TooMany });
        }
        self.groups += u64::from(matches!(pending, Pending::Query(_) | Pending::Sync(_)));
        self.pending.push_back(pending);
        Ok(())
    }
}

fn report(offset: u64, number: u64, kinds: Kinds, key: &[u8], sink: Sink<'_>) {
    kinds.with_names(|kinds| emit(sink, offset, EventKind::RequestBegins(Request { number, kinds, key })));
}
