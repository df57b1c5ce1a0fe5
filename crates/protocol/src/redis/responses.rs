//! The stream of responses.

use memchr::memchr;

use super::line::{Line, whole_number};
use super::{Session, commands, emit, other_protocol};
use crate::event::{EventKind, Outcome, Sink};
use crate::framer::Opaque;
use crate::key::Prefix;

/// Longest first element of a message that is read: it is longer than `punsubscribe`.
const MAX_FIRST: usize = 16;

const LINE_BREAK: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Offset of the next byte.
    offset: u64,
    state: State,
    /// Values of the message that have not ended. It is 0 between messages.
    open: u64,
    message: Message,
    /// The response to the first open request has begun.
    has_begun: bool,
    line: Line,
    first: Prefix,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// The type of a value.
    #[default]
    Type,
    /// The line that begins a value.
    Header,
    /// The first element of a message, of this length, which is read.
    First(usize),
    /// Bytes that are skipped at the end of a value.
    Rest(u64),
}

/// The message that the server is sending.
#[derive(Debug, Default)]
struct Message {
    begin: u64,
    is_push: bool,
    /// The next header is that of the message itself.
    is_outermost: bool,
    /// The first element decides whether the message is a reply.
    awaits_first: bool,
    /// The message was published, or is about the connection.
    is_out_of_band: bool,
    /// Place in [`Session::subscribed`] of the subscription that it confirms, if it is an array of RESP2.
    confirms: Option<usize>,
    reply: Reply,
}

/// Result of a request, as in the first line of the response.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reply {
    #[default]
    Success,
    /// An error. The line has its code.
    Failure,
    /// Null instead of an array.
    Null,
    /// The command was queued in a transaction.
    Queued,
}

impl Responses {
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        session: &mut Session,
        sink: Sink<'_>,
    ) -> Result<(), Opaque> {
        while !bytes.is_empty() {
            let taken = match self.state {
                State::Type => match self.whole_reply(bytes, session) {
                    // Nearly all replies are of this kind.
                    Some(length) => {
                        let is_queued = bytes[..length] == *b"+QUEUED\r\n";
                        let outcome = if is_queued { Outcome::Queued } else { Outcome::Success };
                        self.message.begin = self.offset;
                        self.begin_response(session, sink)?;
                        self.offset += length as u64;
                        self.end_response(outcome, session, sink);
                        length
                    }
                    None => {
                        self.begin_value(bytes[0], session, sink)?;
                        0
                    }
                },
                State::Header => {
                    let (taken, is_complete) = self.line.read(bytes);
                    self.offset += taken as u64;
                    if is_complete {
                        self.on_header(session, sink)?;
                    }
                    taken
                }
                State::First(length) => {
                    let (taken, text) = self.first.read(bytes, length);
                    self.offset += taken as u64;
                    if let Some(text) = text {
                        let mut first = [0; MAX_FIRST];
                        first[..length].copy_from_slice(text);
                        self.classify(&first[..length], session, sink)?;
                        self.state = State::Rest(LINE_BREAK as u64);
                    }
                    taken
                }
                State::Rest(rest) => {
                    let taken = bytes.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                    self.offset += taken as u64;
                    match rest - taken as u64 {
                        0 => self.end_value(session, sink)?,
                        rest => self.state = State::Rest(rest),
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Returns the length of the reply at the beginning if it is a simple string, a number or a bulk string, and all of it is there.
    fn whole_reply(&self, bytes: &[u8], session: &Session) -> Option<usize> {
        match bytes[0] {
            _ if self.open > 0 || !session.subscriptions.is_empty() || session.subscribed != [false; 2] => {
                None
            }
            // It is the most frequent reply.
            b'+' if bytes.starts_with(b"+OK\r\n") => Some(5),
            b'+' | b':' => {
                let end = memchr(b'\n', bytes)?;
                (bytes[end - 1] == b'\r').then_some(end + 1)
            }
            b'$' => {
                let (length, begin) = whole_number(bytes)?;
                let end = usize::try_from(length).ok()?.checked_add(begin)?.checked_add(LINE_BREAK)?;
                (end <= bytes.len()).then_some(end)
            }
            _ => None,
        }
    }

    fn begin_value(&mut self, first: u8, session: &Session, sink: Sink<'_>) -> Result<(), Opaque> {
        if !b"+-:$*_#,(!=%~>".contains(&first) {
            return Err(other_protocol(self.offset));
        }
        self.line = Line::default();
        self.state = State::Header;
        if self.open == 0 {
            self.open = 1;
            let is_push = first == b'>';
            let may_be_published = session.subscribed != [false; 2] || session.awaits_confirmation();
            self.message = Message {
                begin: self.offset,
                is_push,
                is_outermost: true,
                awaits_first: is_push || (first == b'*' && may_be_published),
                ..Message::default()
            };
            if !self.message.awaits_first {
                self.begin_response(session, sink)?;
            }
        }
        Ok(())
    }

    fn begin_response(&mut self, session: &Session, sink: Sink<'_>) -> Result<(), Opaque> {
        if session.answered == session.last {
            return Err(other_protocol(self.message.begin));
        }
        if !self.has_begun {
            self.has_begun = true;
            emit(sink, self.message.begin, EventKind::ResponseBegins { request: session.answered + 1 });
        }
        Ok(())
    }

    fn on_header(&mut self, session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        let wrong = other_protocol(self.offset);
        let is_outermost = std::mem::take(&mut self.message.is_outermost);
        let text = self.line.text();
        let kind = text[0];
        match kind {
            b'-' if is_outermost => self.message.reply = Reply::Failure,
            b'+' if is_outermost && text == b"+QUEUED" => self.message.reply = Reply::Queued,
            b'+' if is_outermost && text == b"+RESET" => session.subscribed = [false; 2],
            b'_' if is_outermost => self.message.reply = Reply::Null,
            b'$' | b'!' | b'=' => {
                let length = self.line.number().ok_or(wrong)?;
                if kind == b'!' && is_outermost {
                    self.message.reply = Reply::Failure;
                }
                if let Ok(length) = u64::try_from(length) {
                    let first = usize::try_from(length).ok().filter(|first| (1..=MAX_FIRST).contains(first));
                    if let Some(first) = first.filter(|_| self.message.awaits_first) {
                        self.first.clear();
                        self.state = State::First(first);
                    } else {
                        self.classify_as_other(session, sink)?;
                        self.state = State::Rest(length + LINE_BREAK as u64);
                    }
                    return Ok(());
                }
            }
            b'*' | b'~' | b'>' | b'%' => {
                let count = u64::try_from(self.line.number().ok_or(wrong)?);
                if is_outermost && count.is_err() {
                    self.message.reply = Reply::Null;
                }
                let count = count.unwrap_or(0);
                let values = if kind == b'%' { 2 } else { 1 };
                let added = count.checked_mul(values).and_then(|added| self.open.checked_add(added));
                self.open = added.ok_or(wrong)?;
                if is_outermost && count > 0 {
                    return self.end_value(session, sink);
                }
            }
            _ => {}
        }
        self.classify_as_other(session, sink)?;
        self.end_value(session, sink)
    }

    /// The first element of the message is not one that decides.
    fn classify_as_other(&mut self, session: &Session, sink: Sink<'_>) -> Result<(), Opaque> {
        if self.message.awaits_first { self.classify(&[], session, sink) } else { Ok(()) }
    }

    /// Decides by its first element whether the message is a reply.
    fn classify(&mut self, first: &[u8], session: &Session, sink: Sink<'_>) -> Result<(), Opaque> {
        self.message.awaits_first = false;
        let confirms = commands::confirms_subscription(first).filter(|_| session.awaits_confirmation());
        let Message { is_push, .. } = self.message;
        self.message.is_out_of_band = commands::is_published(first) || (is_push && confirms.is_none());
        self.message.confirms = confirms.filter(|_| !is_push);
        if self.message.is_out_of_band { Ok(()) } else { self.begin_response(session, sink) }
    }

    fn end_value(&mut self, session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        self.state = State::Type;
        self.open -= 1;
        if self.open > 0 || self.message.is_out_of_band {
            return Ok(());
        }
        if let Some(place) = self.message.confirms {
            // The last element is the number of subscriptions.
            session.subscribed[place] = self.line.number() != Some(0);
        }
        let request = session.answered + 1;
        if let Some((number, replies)) = session.subscriptions.front_mut()
            && *number == request
        {
            *replies -= 1;
            if *replies > 0 && self.message.reply != Reply::Failure {
                return Ok(());
            }
            session.subscriptions.pop_front();
        }
        let line = self.line;
        let outcome = match self.message.reply {
            Reply::Success => Outcome::Success,
            Reply::Failure => Outcome::Failure(code(&line)),
            Reply::Null => Outcome::Null,
            Reply::Queued => Outcome::Queued,
        };
        self.end_response(outcome, session, sink);
        Ok(())
    }

    fn end_response(&mut self, outcome: Outcome<'_>, session: &mut Session, sink: Sink<'_>) {
        session.answered += 1;
        self.has_begun = false;
        emit(sink, self.offset, EventKind::ResponseEnds { request: session.answered, outcome });
    }
}

/// Returns the first word of an error, such as `MOVED`.
fn code(line: &Line) -> &[u8] {
    let text = &line.text()[1..];
    // The text of an error of RESP3 with a length is not read.
    let text = if line.text()[0] == b'!' { &b"ERR"[..] } else { text };
    text.split(|byte| *byte == b' ').next().unwrap_or_default()
}
