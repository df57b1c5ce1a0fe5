//! The stream of responses.

use super::body::{Body, Step};
use super::cursor::Cursor;
use super::events::Events;
use super::head::{HeadBuffer, ResponseHead};
use super::lines::Lines;
use super::status_line::{StatusLine, is_interim};
use super::{KEPT_PENDING, Method, Session, emit};
use crate::event::{EventKind, OpaqueReason, Outcome, Sink};
use crate::framer::Opaque;

#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Offset of the next byte.
    offset: u64,
    /// Offset of the message that is read.
    begin: u64,
    state: State,
    head: HeadBuffer,
    status: u16,
    /// Reads the events of the response if it has some.
    events: Option<Events>,
    /// Number of events that have ended.
    parts: u64,
}

#[derive(Debug, Default)]
enum State {
    /// Between messages.
    #[default]
    Start,
    StatusLine(StatusLine),
    Head(Lines),
    Body(Body),
}

impl Responses {
    pub(super) fn undecided_since(&self) -> Option<u64> {
        matches!(self.state, State::StatusLine(_)).then_some(self.begin)
    }

    pub(super) fn read(&mut self, bytes: &[u8], session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        let mut cursor = Cursor { bytes, offset: self.offset };
        let result = self.read_all(&mut cursor, session, sink);
        self.offset = cursor.offset;
        let offset = if matches!(self.state, State::Body(_)) { self.offset } else { self.begin };
        result.map_err(|reason| Opaque { offset, reason })
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self, session: &mut Session, sink: Sink<'_>) {
        if matches!(self.state, State::Body(Body::UntilClose)) {
            self.end(self.offset, session, sink);
        }
    }

    fn read_all(
        &mut self,
        cursor: &mut Cursor<'_>,
        session: &mut Session,
        sink: Sink<'_>,
    ) -> Result<(), OpaqueReason> {
        // The head as far as it is in this piece.
        let mut head = cursor.bytes;
        loop {
            match &mut self.state {
                State::Start => {
                    if cursor.is_empty() {
                        return Ok(());
                    }
                    (self.begin, head) = (cursor.offset, cursor.bytes);
                    if session.pending.is_empty() {
                        return Err(OpaqueReason::Unrequested);
                    }
                    self.state = State::StatusLine(StatusLine::default());
                }
                State::StatusLine(line) => match (line.status(), cursor.bytes.first()) {
                    (Some(status), _) => {
                        self.state = State::Head(Lines::after(StatusLine::LENGTH));
                        if !is_interim(status) {
                            let request = session.next_to_end();
                            emit(sink, self.begin, EventKind::ResponseBegins { request });
                        }
                    }
                    (None, Some(byte)) => {
                        line.push(*byte)?;
                        cursor.take(1);
                    }
                    (None, None) => {
                        self.head.push(head);
                        return Ok(());
                    }
                },
                State::Head(lines) => {
                    let is_complete = lines.read(cursor)?;
                    let head_in_piece = &head[..head.len() - cursor.bytes.len()];
                    if !is_complete {
                        self.head.push(head_in_piece);
                        return Ok(());
                    }
                    let parsed = ResponseHead::parse(self.head.joined(head_in_piece))?;
                    self.head.clear();
                    self.decide(&parsed, cursor.offset, session, sink)?;
                }
                State::Body(body) => match body.next(cursor)? {
                    Step::Data(data) => {
                        let offset = cursor.offset - data.len() as u64;
                        self.read_events(data, offset, session, sink);
                    }
                    Step::NeedsMore => return Ok(()),
                    Step::Ends => self.end(cursor.offset, session, sink),
                },
            }
        }
    }

    /// Decides by its head where the message ends.
    fn decide(
        &mut self,
        head: &ResponseHead,
        end: u64,
        session: &mut Session,
        sink: Sink<'_>,
    ) -> Result<(), OpaqueReason> {
        let is_last = session.pending.len() == 1;
        if is_interim(head.status) {
            session.expects_continue &= !(is_last && head.status == 100);
            self.state = State::Start;
            return Ok(());
        }
        self.status = head.status;
        let method = session.pending.front().copied();
        if head.status == 101 || (method == Some(Method::Connect) && head.status < 300) {
            self.end(end, session, sink);
            // Offset of the end of the response.
            self.begin = end;
            return Err(OpaqueReason::Switched);
        }
        if is_last {
            (session.is_decided, session.may_switch) = (true, false);
            session.is_refused = session.expects_continue;
        }
        let is_empty = method == Some(Method::Head) || matches!(head.status, 204 | 304);
        let body = if is_empty { Body::Length(0) } else { head.body()? };
        self.events = head.has_events().then(Events::default);
        self.state = State::Body(body);
        Ok(())
    }

    fn read_events(&mut self, data: &[u8], offset: u64, session: &Session, sink: Sink<'_>) {
        let Some(events) = &mut self.events else { return };
        let request = session.next_to_end();
        events.read(data, offset, |end| {
            self.parts += 1;
            emit(sink, end, EventKind::PartEnds { request, part: self.parts });
        });
    }

    fn end(&mut self, offset: u64, session: &mut Session, sink: Sink<'_>) {
        let request = session.next_to_end();
        if let Some(end) = self.events.as_mut().and_then(Events::finish) {
            emit(sink, end, EventKind::PartEnds { request, part: self.parts + 1 });
        }
        let code = self.status.to_string();
        let outcome = if self.status < 400 { Outcome::Success } else { Outcome::Failure(code.as_bytes()) };
        session.pending.pop_front();
        if session.pending.is_empty() {
            session.pending.shrink_to(KEPT_PENDING);
        }
        (self.state, self.events, self.parts) = (State::Start, None, 0);
        emit(sink, offset, EventKind::ResponseEnds { request, outcome });
    }
}
