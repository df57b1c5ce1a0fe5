//! The stream of requests.

use super::reader::{Commands, Step};
use super::{Session, commands, emit, other_protocol};
use crate::event::{EventKind, Request, Sink};
use crate::framer::Opaque;
use crate::key::MAX_KEY;

/// Longest name of a command that is read; a longer one is cut.
const MAX_NAME: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Requests {
    commands: Commands,
    command: Command,
}

/// The command that the client is sending.
#[derive(Debug, Default)]
struct Command {
    begin: u64,
    name: Name,
    /// Index of the argument that is the key.
    key_index: Option<u64>,
    /// The bytes may be a request that has not been reported.
    is_undecided: bool,
    /// Number of the request that has been reported.
    sending: Option<u64>,
    in_transaction: bool,
}

/// Name of a command. Clients often send the same command again, so the last one is remembered.
#[derive(Debug, Default)]
struct Name {
    sent: Vec<u8>,
    upper: String,
    is_ordinary: bool,
}

impl Name {
    /// Sets the name that was sent. Returns `None` if it cannot be one.
    #[inline]
    fn set(&mut self, text: &[u8]) -> Option<()> {
        let text = &text[..text.len().min(MAX_NAME)];
        if text == self.sent { Some(()) } else { self.set_other(text) }
    }

    #[inline(never)]
    fn set_other(&mut self, text: &[u8]) -> Option<()> {
        if !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        self.sent.clear();
        self.sent.extend_from_slice(text);
        self.upper.clear();
        self.upper.extend(text.iter().map(|byte| char::from(byte.to_ascii_uppercase())));
        self.is_ordinary = commands::is_ordinary(self.upper.as_bytes());
        Some(())
    }
}

impl Requests {
    pub(super) fn undecided_since(&self) -> Option<u64> {
        self.command.is_undecided.then_some(self.command.begin)
    }

    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        session: &mut Session,
        sink: Sink<'_>,
    ) -> Result<(), Opaque> {
        let command = &mut self.command;
        while let Some(step) = self.commands.next(&mut bytes, |index| command.wanted(index))? {
            match step {
                Step::Whole { offset, arguments, end } => {
                    command.begin = offset;
                    command.set_name(arguments.get(0).unwrap_or_default())?;
                    let index = command.key_index_in(arguments.count);
                    let key = index.and_then(|index| arguments.get(index)).unwrap_or_default();
                    command.report(&key[..key.len().min(MAX_KEY)], arguments.count, session, sink)?;
                    command.end(end, sink);
                }
                Step::Begins { offset } => {
                    (command.begin, command.is_undecided, command.key_index) = (offset, true, None);
                }
                Step::Argument { index: 0, count, text } => {
                    command.set_name(text)?;
                    command.key_index = command.key_index_in(count);
                    if command.key_index.is_none() {
                        command.report(&[], count, session, sink)?;
                    }
                }
                Step::Argument { count, text, .. } => {
                    command.key_index = None;
                    command.report(text, count, session, sink)?;
                }
                Step::Inline { line } => command.report_inline(line, session, sink)?,
                Step::Ends { offset } => command.end(offset, sink),
            }
        }
        Ok(())
    }
}

impl Command {
    fn wanted(&self, index: u64) -> Option<usize> {
        match index {
            0 => Some(MAX_NAME),
            _ => (self.key_index == Some(index)).then_some(MAX_KEY),
        }
    }

    #[inline]
    fn set_name(&mut self, text: &[u8]) -> Result<(), Opaque> {
        self.name.set(text).ok_or(other_protocol(self.begin))
    }

    /// Returns the index of the key among this number of arguments.
    fn key_index_in(&self, count: u64) -> Option<u64> {
        let index =
            if self.name.is_ordinary { Some(1) } else { commands::key_index(self.name.upper.as_bytes()) };
        index.filter(|index| *index < count)
    }

    fn report_inline(&mut self, line: &[u8], session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        // The server ignores an empty line.
        let Some(name) = words().next() else { return Ok(()) };
        self.set_name(name)?;
        let count = words().count() as u64;
        let index = self.key_index_in(count).and_then(|index| usize::try_from(index).ok());
        let key = index.and_then(|index| words().nth(index)).unwrap_or_default();
        self.report(&key[..key.len().min(MAX_KEY)], count, session, sink)
    }

    fn end(&mut self, offset: u64, sink: Sink<'_>) {
        self.is_undecided = false;
        if let Some(request) = self.sending.take() {
            emit(sink, offset, EventKind::RequestEnds { request, is_group: false });
        }
    }

    fn report(
        &mut self,
        key: &[u8],
        count: u64,
        session: &mut Session,
        sink: Sink<'_>,
    ) -> Result<(), Opaque> {
        session.last += 1;
        let number = session.last;
        self.sending = Some(number);
        self.is_undecided = false;
        let kinds = &[self.name.upper.as_str()];
        emit(sink, self.begin, EventKind::RequestBegins(Request { number, kinds, key }));
        if self.name.is_ordinary {
            return Ok(());
        }
        let name = self.name.upper.as_bytes();
        if let Some(reason) = commands::opaque_after(name, key, count, self.in_transaction) {
            return Err(Opaque { offset: self.begin, reason });
        }
        if commands::subscribes(name) {
            session.subscriptions.push_back((number, count - 1));
            session.is_subscribed = true;
        }
        self.in_transaction = commands::transaction_after(name).unwrap_or(self.in_transaction);
        Ok(())
    }
}
