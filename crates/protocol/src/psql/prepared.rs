//! Prepared statements by their names, as far as the server has accepted them.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::sql::deallocated;
use super::statements::{MAX_NAMED, Statement, TooMany};

/// Statements that Parse has named.
#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    /// Clients choose the names: the hashes have a random seed.
    named: HashMap<Box<[u8]>, Prepared, RandomState>,
    /// Number of Parse messages that the client has sent.
    sent: u64,
    /// Number of those that the server has executed or skipped.
    answered: u64,
    /// Created for the first name that is used again or deallocated, which few sessions have.
    unconfirmed: Option<Box<Unconfirmed>>,
}

#[derive(Debug, Clone)]
struct Prepared {
    statement: Arc<Statement>,
    /// Number of its Parse, from 1.
    parse: u64,
}

/// Changes of names that the server has not answered.
#[derive(Debug, Default)]
struct Unconfirmed {
    /// Parse messages of a name that is in use. The server rejects them if it still has the name.
    repeated: VecDeque<Repeated>,
    /// Requests that deallocate a name.
    deallocated: VecDeque<(u64, Box<[u8]>)>,
}

#[derive(Debug)]
struct Repeated {
    parse: u64,
    name: Box<[u8]>,
    /// The statement that keeps the name if the server rejects the other one.
    previous: Option<Prepared>,
}

impl PreparedStatements {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        self.named.get(name).map(|prepared| &prepared.statement)
    }

    /// The client has sent the first bytes of Parse.
    pub(super) fn on_parse(&mut self) {
        self.sent += 1;
    }

    /// Adds the statement of the last Parse.
    pub(super) fn insert(&mut self, name: &[u8], statement: Arc<Statement>) -> Result<(), TooMany> {
        let new = Prepared { statement, parse: self.sent };
        if let Some(existing) = self.named.get_mut(name) {
            let previous = mem::replace(existing, new);
            // The statement without a name can always be replaced.
            return if name.is_empty() { Ok(()) } else { self.repeat(name, previous) };
        }
        if self.named.len() >= MAX_NAMED {
            return Err(TooMany);
        }
        self.named.insert(name.into(), new);
        Ok(())
    }

    #[cold]
    fn repeat(&mut self, name: &[u8], previous: Prepared) -> Result<(), TooMany> {
        let repeated = &mut self.unconfirmed.get_or_insert_default().repeated;
        if repeated.len() >= MAX_NAMED {
            return Err(TooMany);
        }
        repeated.push_back(Repeated { parse: self.sent, name: name.into(), previous: Some(previous) });
        Ok(())
    }

    /// The client closes a statement.
    pub(super) fn close(&mut self, name: &[u8]) {
        self.named.remove(name);
        if let Some(unconfirmed) = &mut self.unconfirmed {
            unconfirmed.repeated.retain(|repeated| *repeated.name != *name);
        }
    }

    /// The server has executed a Parse.
    #[inline]
    pub(super) fn on_parse_complete(&mut self) {
        self.answered += 1;
        if self.unconfirmed.is_some() {
            while self.next_answered().is_some() {}
        }
    }

    /// The server has executed or skipped all Parse messages up to the end of a group, which is behind this number of them.
    pub(super) fn end_group(&mut self, parses: u64) {
        let executed = self.answered;
        self.answered = parses;
        if executed < parses {
            self.reject(executed);
        }
    }

    /// The server has rejected or skipped the answered Parse messages behind this number of them.
    #[cold]
    fn reject(&mut self, executed: u64) {
        let answered = self.answered;
        let is_rejected = |prepared: &Prepared| (executed + 1..=answered).contains(&prepared.parse);
        self.named.retain(|_, prepared| !is_rejected(prepared));
        for repeated in self.repeated() {
            repeated.previous.take_if(|previous| is_rejected(previous));
        }
        while let Some(Repeated { name, previous, .. }) = self.next_answered() {
            if let Some(later) = self.repeated().find(|later| later.name == name) {
                later.previous = previous;
            } else if let Some(previous) = previous {
                self.named.insert(name, previous);
            }
        }
    }

    /// Returns the Parse messages of a name in use that the server has not answered.
    fn repeated(&mut self) -> impl Iterator<Item = &mut Repeated> {
        self.unconfirmed.iter_mut().flat_map(|unconfirmed| &mut unconfirmed.repeated)
    }

    /// Returns the number of Parse messages that the client has sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Removes and returns the next Parse of a name in use that the server has answered.
    fn next_answered(&mut self) -> Option<Repeated> {
        let repeated = &mut self.unconfirmed.as_mut()?.repeated;
        repeated.front().is_some_and(|first| first.parse <= self.answered).then(|| repeated.pop_front())?
    }

    /// Notes the names that a request deallocates, if its text does.
    pub(super) fn note_deallocated(&mut self, request: u64, text: &[u8]) {
        deallocated(text, |name| {
            if self.named.contains_key(name) {
                let unconfirmed = self.unconfirmed.get_or_insert_default();
                unconfirmed.deallocated.push_back((request, name.into()));
            }
        });
    }

    /// The response to a request ends.
    #[inline]
    pub(super) fn end_request(&mut self, request: u64, is_success: bool) {
        if self.unconfirmed.is_some() {
            self.end_deallocation(request, is_success);
        }
    }

    #[cold]
    fn end_deallocation(&mut self, request: u64, is_success: bool) {
        while let Some((deallocating, name)) = self.next_deallocated(request) {
            if is_success && deallocating == request {
                self.remove(|other| *other == *name);
            }
        }
    }

    /// Removes and returns the next name that one of the requests up to this one deallocates.
    fn next_deallocated(&mut self, request: u64) -> Option<(u64, Box<[u8]>)> {
        let deallocated = &mut self.unconfirmed.as_mut()?.deallocated;
        deallocated.front().is_some_and(|(first, _)| *first <= request).then(|| deallocated.pop_front())?
    }

    /// The server has deallocated all statements.
    #[cold]
    pub(super) fn deallocate_all(&mut self) {
        self.remove(|name| !name.is_empty());
    }

    /// Removes statements by their names, but not those behind the request that the server has executed.
    fn remove(&mut self, is_removed: impl Fn(&[u8]) -> bool) {
        let answered = self.answered;
        self.named.retain(|name, prepared| prepared.parse > answered || !is_removed(name));
        for repeated in self.repeated() {
            if is_removed(&repeated.name) {
                repeated.previous.take_if(|previous| previous.parse <= answered);
            }
        }
    }
}
