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
    name: [u8; MAX_NAME],
    name_length: usize,
    /// Index of the argument that is the key.
    key_index: Option<u64>,
    /// The bytes may be a request that has not been reported.
    is_undecided: bool,
    /// Number of the request that has been reported.
    sending: Option<u64>,
    in_transaction: bool,
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

    fn name(&self) -> &[u8] {
        &self.name[..self.name_length]
    }

    fn set_name(&mut self, text: &[u8]) -> Result<(), Opaque> {
        let text = &text[..text.len().min(MAX_NAME)];
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(other_protocol(self.begin));
        }
        self.name_length = text.len();
        self.name[..text.len()].copy_from_slice(text);
        self.name.make_ascii_uppercase();
        Ok(())
    }

    /// Returns the index of the key among this number of arguments.
    fn key_index_in(&self, count: u64) -> Option<u64> {
        let index = commands::key_index(self.name());
        (index < count && !commands::has_secret(self.name())).then_some(index)
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
        let name = self.name();
        // It is ASCII.
        let kinds = &[str::from_utf8(name).unwrap_or_default()];
        emit(sink, self.begin, EventKind::RequestBegins(Request { number, kinds, key }));
        if let Some(reason) = commands::opaque_after(name, key, count, self.in_transaction) {
            return Err(Opaque { offset: self.begin, reason });
        }
        if commands::subscribes(name) {
            session.subscriptions.push_back((number, count - 1));
            session.is_subscribed = true;
        }
        self.in_transaction = match name {
            b"MULTI" => true,
            b"EXEC" | b"DISCARD" | b"RESET" => false,
            _ => self.in_transaction,
        };
        Ok(())
    }
}
