//! The stream of requests.

use super::body::{Body, Step};
use super::cursor::Cursor;
use super::head::{HeadBuffer, RequestHead};
use super::lines::Lines;
use super::request_line::RequestLine;
use super::{MAX_PENDING, Method, Session, emit};
use crate::event::{EventKind, OpaqueReason, Request, Sink};
use crate::framer::{Opaque, TLS_HANDSHAKE};

#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Offset of the next byte.
    offset: u64,
    /// Offset of the request that is read.
    begin: u64,
    state: State,
    head: HeadBuffer,
}

#[derive(Debug, Default)]
enum State {
    /// Between requests. A client may send empty lines there (RFC 9112, section 2.2).
    #[default]
    Start,
    EmptyLine,
    Line(RequestLine),
    Head(Lines),
    Body(Body),
}

impl Requests {
    pub(super) fn undecided_since(&self) -> Option<u64> {
        matches!(self.state, State::Line(_)).then_some(self.begin)
    }

    pub(super) fn read(&mut self, bytes: &[u8], session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        let mut cursor = Cursor { bytes, offset: self.offset };
        let result = self.read_all(&mut cursor, session, sink);
        self.offset = cursor.offset;
        let offset = if matches!(self.state, State::Body(_)) { self.offset } else { self.begin };
        result.map_err(|reason| Opaque { offset, reason })
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
                    let Some(first) = cursor.bytes.first() else { return Ok(()) };
                    self.begin = cursor.offset;
                    head = cursor.bytes;
                    match *first {
                        _ if session.may_switch || session.is_refused => return Err(OpaqueReason::Ambiguous),
                        TLS_HANDSHAKE if self.begin == 0 => return Err(OpaqueReason::Encrypted),
                        b'\r' => {
                            cursor.take(1);
                            self.state = State::EmptyLine;
                        }
                        _ => self.state = State::Line(RequestLine::default()),
                    }
                }
                State::EmptyLine => match cursor.take_byte() {
                    Some(b'\n') => self.state = State::Start,
                    Some(_) => return Err(OpaqueReason::OtherProtocol),
                    None => return Ok(()),
                },
                State::Line(line) => {
                    let taken = line.read(cursor.bytes)?;
                    cursor.take(taken as u64);
                    let head_in_piece = &head[..head.len() - cursor.bytes.len()];
                    if !line.is_done() {
                        self.head.push(head_in_piece);
                        return Ok(());
                    }
                    let text = self.head.joined(head_in_piece);
                    let length = text.len();
                    begin_request(line.parts(text), self.begin, session, sink)?;
                    if !self.head.is_empty() {
                        head = cursor.bytes;
                    }
                    self.state = State::Head(Lines::after(length));
                }
                State::Head(lines) => {
                    let is_complete = lines.read(cursor)?;
                    let head_in_piece = &head[..head.len() - cursor.bytes.len()];
                    if !is_complete {
                        self.head.push(head_in_piece);
                        return Ok(());
                    }
                    let RequestHead { body, expects_continue, has_upgrade, persistence } =
                        RequestHead::parse(self.head.joined(head_in_piece))?;
                    self.head.clear();
                    // The client of CONNECT may send data of the tunnel where the server expects a body.
                    if session.may_switch && body != Body::Length(0) {
                        return Err(OpaqueReason::Ambiguous);
                    }
                    if session.is_decided {
                        session.is_refused = expects_continue;
                    } else {
                        session.may_switch |= has_upgrade;
                        session.expects_continue = expects_continue;
                    }
                    self.state = State::Body(body);
                    let request = session.last;
                    emit(sink, cursor.offset, EventKind::HeadEnds { request, persistence, expects_continue });
                }
                State::Body(body) => {
                    if !cursor.is_empty() && *body != Body::Length(0) {
                        if session.is_refused {
                            return Err(OpaqueReason::Ambiguous);
                        }
                        session.expects_continue = false;
                    }
                    match body.next(cursor)? {
                        Step::Data(_) => {}
                        Step::NeedsMore => return Ok(()),
                        Step::Ends => {
                            self.state = State::Start;
                            emit(
                                sink,
                                cursor.offset,
                                EventKind::RequestEnds { request: session.last, is_group: false },
                            );
                        }
                    }
                }
            }
        }
    }
}

fn begin_request(
    (method, key): (&str, &[u8]),
    begin: u64,
    session: &mut Session,
    sink: Sink<'_>,
) -> Result<(), OpaqueReason> {
    if session.pending.len() == MAX_PENDING {
        return Err(OpaqueReason::TooMany);
    }
    session.pending.push_back(match method {
        "HEAD" => Method::Head,
        "CONNECT" => Method::Connect,
        _ => Method::Other,
    });
    session.may_switch = method == "CONNECT";
    (session.is_decided, session.expects_continue) = (false, false);
    session.last += 1;
    let request = Request { number: session.last, kinds: &[method], key };
    emit(sink, begin, EventKind::RequestBegins(request));
    Ok(())
}
