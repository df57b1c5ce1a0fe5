//! The stream of requests.

use super::commands::KeyPlace;
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
    /// Place of the key, if it has not been read.
    key: Option<KeyPlace>,
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
                    let key = command.find_key(|index| arguments.get(index));
                    command.report(&key[..key.len().min(MAX_KEY)], arguments.count, session, sink)?;
                    command.end(end, sink);
                }
                Step::Begins { offset } => {
                    (command.begin, command.is_undecided, command.key) = (offset, true, None);
                }
                Step::Argument { index, count, text } => {
                    let is_key = command.key == Some(KeyPlace::At(index));
                    command.key = if index == 0 {
                        command.set_name(text)?;
                        command.key_place()
                    } else {
                        command.key.filter(|_| !is_key).and_then(|place| place.after(index, text))
                    };
                    let is_last = match command.key {
                        Some(KeyPlace::At(place)) => place >= count,
                        _ => index + 1 == count,
                    };
                    if is_last {
                        command.key = None;
                    }
                    if command.key.is_none() {
                        command.report(if is_key { text } else { &[] }, count, session, sink)?;
                    }
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
        match (index, self.key) {
            (0, _) | (_, Some(KeyPlace::AfterStreams(_))) => Some(MAX_NAME),
            (_, key) => (key == Some(KeyPlace::At(index))).then_some(MAX_KEY),
        }
    }

    #[inline]
    fn set_name(&mut self, text: &[u8]) -> Result<(), Opaque> {
        self.name.set(text).ok_or(other_protocol(self.begin))
    }

    fn key_place(&self) -> Option<KeyPlace> {
        if self.name.is_ordinary {
            Some(KeyPlace::At(1))
        } else {
            commands::key_place(self.name.upper.as_bytes())
        }
    }

    /// Returns the key among these arguments, or nothing.
    #[inline]
    fn find_key<'a>(&self, argument: impl Fn(u64) -> Option<&'a [u8]>) -> &'a [u8] {
        let mut place = self.key_place();
        let mut index = 1;
        while let Some(KeyPlace::AfterStreams(_)) = place
            && let Some(text) = argument(index)
        {
            place = place.and_then(|place| place.after(index, text));
            index += 1;
        }
        match place {
            Some(KeyPlace::At(index)) => argument(index).unwrap_or_default(),
            _ => &[],
        }
    }

    fn report_inline(&mut self, line: &[u8], session: &mut Session, sink: Sink<'_>) -> Result<(), Opaque> {
        let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        // The server ignores an empty line.
        let Some(name) = words().next() else { return Ok(()) };
        self.set_name(name)?;
        let count = words().count() as u64;
        let key = self.find_key(|index| words().nth(usize::try_from(index).ok()?));
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
        }
        self.in_transaction = commands::transaction_after(name).unwrap_or(self.in_transaction);
        Ok(())
    }
}
