//! The stream of responses.

use super::messages::Step;
use super::startup::Startup;
use super::{Pending, Psql, Session, emit, other_protocol};
use crate::event::{EventKind, OpaqueReason, Outcome, Sink, TransactionStatus};
use crate::framer::Opaque;

/// Returns true for tags that servers send.
fn is_tag(tag: u8) -> bool {
    matches!(tag, b'1'..=b'3' | b'A' | b'C'..=b'E' | b'G'..=b'I' | b'K' | b'N' | b'R'..=b'T' | b'V' | b'W' | b'Z')
        || matches!(tag, b'c' | b'd' | b'n' | b's' | b't' | b'v')
}

/// Returns true for tags of messages that may come at any time: NoticeResponse, NotificationResponse and ParameterStatus.
fn is_asynchronous(tag: u8) -> bool {
    matches!(tag, b'N' | b'A' | b'S')
}

/// Bytes of an ErrorResponse that have its severity and its SQLSTATE, which are the first fields.
const ERROR_PREFIX: usize = 128;

/// The tag of the CommandComplete of a transaction that is rolled back.
const ROLLBACK: &[u8] = b"ROLLBACK\0";

/// The tag of the CommandComplete of a transaction that is committed.
const COMMIT: &[u8] = b"COMMIT\0";

/// The tags of the CommandComplete of statements that remove all prepared statements.
const DEALLOCATE_ALL: &[u8] = b"DEALLOCATE ALL\0";
const DISCARD_ALL: &[u8] = b"DISCARD ALL\0";

fn wanted(tag: u8) -> usize {
    match tag {
        b'E' => ERROR_PREFIX,
        b'C' => DEALLOCATE_ALL.len(),
        b'Z' => 1,
        _ => 0,
    }
}

/// State of the response to the first pending message.
#[derive(Debug, Default)]
pub(super) struct Response {
    has_begun: bool,
    parts: u64,
    failure: Option<[u8; 5]>,
    commits: bool,
    rolls_back: bool,
    /// Status in the ReadyForQuery that the server is sending.
    status: Option<TransactionStatus>,
    /// The last request of the group whose response has ended.
    ended: Option<u64>,
}

impl Psql {
    pub(crate) fn on_responses(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        if !self.on_startup_response(&mut bytes)? {
            return Ok(());
        }
        let session = &mut self.session;
        while let Some(step) = self.responses.next(&mut bytes, wanted)? {
            match step {
                // Nothing follows from these, of which the extended protocol has one or two for each Execute.
                Step::Whole { tag, .. } if responds_to_preparation(tag) && session.is_prepared() => {
                    session.end_preparation(tag);
                }
                Step::Whole { tag, offset, payload, end, .. } => {
                    session.begin_response_message(tag, offset, sink)?;
                    session.read_response(tag, payload);
                    session.end_response_message(tag, end, sink)?;
                }
                Step::Begins { tag, offset } => session.begin_response_message(tag, offset, sink)?,
                Step::Prefix { tag, payload, .. } => session.read_response(tag, payload),
                Step::Rest { .. } => {}
                Step::Ends { tag, offset } => session.end_response_message(tag, offset, sink)?,
            }
        }
        Ok(())
    }
}

/// Returns true for messages that respond to Parse, Bind, Close and Describe. A simple query has RowDescription too.
fn responds_to_preparation(tag: u8) -> bool {
    matches!(tag, b'1' | b'2' | b'3' | b't' | b'T' | b'n')
}

/// Returns true for messages that come before the response to Execute, or do not come because it is skipped.
fn precedes_execute(tag: u8) -> bool {
    responds_to_preparation(tag) || matches!(tag, b'G' | b'Z')
}

impl Session {
    /// Reads the first bytes of the payload of a message.
    fn read_response(&mut self, tag: u8, payload: &[u8]) {
        let response = &mut self.response;
        match (tag, payload) {
            (b'Z', [status, ..]) => response.status = TransactionStatus::from_byte(*status),
            (b'C', ROLLBACK) => response.rolls_back = true,
            (b'C', COMMIT) => response.commits = true,
            (b'C', DEALLOCATE_ALL | DISCARD_ALL) => self.statements.prepared.deallocate_all(),
            (b'E', [_, ..]) => response.failure = Some(sqlstate(payload)),
            _ => {}
        }
    }

    /// A message that responds to Parse, Bind, Close or Describe ends.
    fn end_preparation(&mut self, tag: u8) {
        if tag == b'1' {
            self.statements.prepared.on_parse_complete();
        }
    }

    /// Returns true if the next messages are not the start of the session or the response to a simple query or a function call.
    fn is_prepared(&self) -> bool {
        self.startup == Startup::Done && !matches!(self.pending.front(), Some(Pending::Query(_)))
    }

    fn begin_response_message(&mut self, tag: u8, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        if is_asynchronous(tag) {
            if self.startup == Startup::Done {
                emit(sink, offset, EventKind::AsynchronousBegins);
            }
            return Ok(());
        }
        if !is_tag(tag) {
            return Err(other_protocol(offset));
        }
        if matches!(self.startup, Startup::Authentication) {
            if tag == b'Z' {
                emit(sink, offset, EventKind::ReadyBegins { request: None });
            }
            return Ok(());
        }
        if tag == b'W' {
            return Err(Opaque { offset, reason: OpaqueReason::Replication });
        }
        match self.pending.front() {
            Some(Pending::Query(request)) if !self.response.has_begun && tag != b'G' => {
                self.response.has_begun = true;
                emit(sink, offset, EventKind::ResponseBegins { request: *request });
            }
            Some(Pending::Execute(request) | Pending::Embedded(request))
                if !self.response.has_begun && !precedes_execute(tag) =>
            {
                self.response.has_begun = true;
                emit(sink, offset, EventKind::ResponseBegins { request: *request });
            }
            // Before it closes a connection, a server may send an error that answers nothing.
            None if !responds_to_preparation(tag) && tag != b'E' => {
                return Err(other_protocol(offset));
            }
            _ => {}
        }
        if tag == b'Z' {
            emit(sink, offset, EventKind::ReadyBegins { request: self.last_of_group() });
        }
        Ok(())
    }

    fn end_response_message(&mut self, tag: u8, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        if matches!(self.startup, Startup::Authentication) {
            if tag == b'Z' {
                self.ready(None, offset, sink)?;
                self.startup = Startup::Done;
                self.response = Response::default();
            }
            return Ok(());
        }
        if tag == b'E' {
            self.copies_in = false;
        }
        match (tag, self.pending.front().copied()) {
            (b'Z', _) => {
                self.ready(self.last_of_group(), offset, sink)?;
                return self.end_group(offset, sink);
            }
            (b'G', _) => self.begin_copy(),
            (b'D' | b'd', Some(Pending::Query(request) | Pending::Execute(request))) => {
                self.response.parts += 1;
                emit(sink, offset, EventKind::PartEnds { request, part: self.response.parts });
            }
            (b'C' | b'I' | b's' | b'E', Some(Pending::Execute(request))) => {
                self.end_response(request, offset, sink);
                self.pop_pending();
            }
            (b'C' | b'D' | b'd' | b'I' | b's', Some(Pending::Sync(_))) => return Err(other_protocol(offset)),
            (b'1', _) => self.end_preparation(tag),
            _ if is_asynchronous(tag) => emit(sink, offset, EventKind::AsynchronousEnds),
            _ => {}
        }
        Ok(())
    }

    fn ready(&self, request: Option<u64>, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        let status = self.response.status.ok_or(other_protocol(offset))?;
        emit(sink, offset, EventKind::Ready { request, status });
        Ok(())
    }

    /// Ends the group of messages that ReadyForQuery answers. After a failure, the server has skipped the rest of the group.
    fn end_group(&mut self, offset: u64, sink: Sink<'_>) -> Result<(), Opaque> {
        let is_idle = self.response.status == Some(TransactionStatus::Idle);
        let is_embedded = self.response.has_begun;
        while let Some(pending) = self.pop_pending() {
            match pending {
                Pending::Execute(request) => {
                    // An error in Parse or Bind may arrive before the client has sent Execute.
                    let failure = self.response.failure.take();
                    let outcome = failure.as_ref().map_or(Outcome::Skipped, |code| Outcome::Failure(code));
                    emit(sink, offset, EventKind::ResponseEnds { request, outcome });
                    continue;
                }
                Pending::Embedded(request) if is_embedded => {
                    self.end_response(request, offset, sink);
                    if !is_idle {
                        // The query was skipped: Parse or Bind of its statement has failed.
                        continue;
                    }
                }
                Pending::Embedded(request) => {
                    emit(sink, offset, EventKind::ResponseEnds { request, outcome: Outcome::Skipped });
                    continue;
                }
                Pending::Query(request) => {
                    self.end_response(request, offset, sink);
                    self.answered += 1;
                }
                Pending::Sync(parses) => {
                    self.statements.prepared.end_group(parses);
                    self.answered += 1;
                }
                Pending::CopyEnd => {}
            }
            if is_idle {
                self.statements.end_portals(self.answered);
            }
            self.copies_in = false;
            self.response = Response::default();
            return Ok(());
        }
        Err(other_protocol(offset))
    }

    /// Takes the first pending message, and the ends of COPY after it, which are of no use without it.
    fn pop_pending(&mut self) -> Option<Pending> {
        let first = self.pending.pop_front();
        while self.pending.front() == Some(&Pending::CopyEnd) {
            self.pending.pop_front();
        }
        first
    }

    /// The server asks for the data of COPY. It ignores each Sync up to the end of the data.
    fn begin_copy(&mut self) {
        let is_other = |pending: &Pending| !matches!(pending, Pending::Sync(_) | Pending::CopyEnd);
        let group = self.pending.iter().skip(1).position(is_other).map_or(self.pending.len(), |end| end + 1);
        let end = self.pending.iter().take(group).position(|pending| *pending == Pending::CopyEnd);
        self.copies_in = end.is_none();
        let ignored = self.pending.drain(1.min(group)..end.map_or(group, |end| end + 1));
        self.answered += ignored.map(|pending| u64::from(matches!(pending, Pending::Sync(_)))).sum::<u64>();
    }

    fn end_response(&mut self, request: u64, offset: u64, sink: Sink<'_>) {
        let failure = self.response.failure;
        let outcome = match &failure {
            Some(code) if self.response.commits => Outcome::FailureAfterCommit(code),
            Some(code) => Outcome::Failure(code),
            None if self.response.rolls_back && !self.response.commits => Outcome::RolledBack,
            None => Outcome::Success,
        };
        emit(sink, offset, EventKind::ResponseEnds { request, outcome });
        self.statements.prepared.end_request(request, failure.is_none());
        if self.response.commits {
            // At least those of the groups before.
            self.statements.end_portals(self.answered);
        }
        self.response = Response { ended: Some(request), ..Response::default() };
    }

    /// Returns the last request that the next ReadyForQuery answers.
    fn last_of_group(&self) -> Option<u64> {
        let mut last = self.response.ended;
        for pending in &self.pending {
            match pending {
                Pending::Query(request) => return Some(*request),
                Pending::Embedded(request) if self.response.has_begun => return Some(*request),
                Pending::Execute(request) | Pending::Embedded(request) => last = Some(*request),
                Pending::Sync(_) => break,
                Pending::CopyEnd => {}
            }
        }
        last
    }
}

/// Returns the SQLSTATE of an ErrorResponse, or zeros.
fn sqlstate(payload: &[u8]) -> [u8; 5] {
    let mut fields = payload.split(|byte| *byte == 0);
    let code = fields.find_map(|field| field.strip_prefix(b"C"));
    code.and_then(|code| code.try_into().ok()).unwrap_or(*b"00000")
}
