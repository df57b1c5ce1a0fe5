//! Prepared statements and portals.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use memchr::memchr;

use super::prepared::PreparedStatements;
use super::sql::{self, Kinds, LongScanner};

/// Most named statements, and most named portals, that are remembered.
pub(super) const MAX_NAMED: usize = 4096;

/// A statement as its requests report it.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kinds: Kinds,
    pub(super) key: Box<[u8]>,
}

/// Portal, the result of Bind.
#[derive(Debug)]
struct Portal {
    statement: Arc<Statement>,
    /// Number of groups of messages before that of Bind.
    group: u64,
}

/// Statements that Parse has named, and the portals that Bind has made of them.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) prepared: PreparedStatements,
    /// Clients choose the names: the hashes have a random seed.
    portals: HashMap<Box<[u8]>, Portal, RandomState>,
    /// Nearly all portals have no name.
    unnamed_portal: Option<Arc<Statement>>,
    scratch: Vec<u8>,
    /// The text that the client is sending, if it is longer than a key.
    long: Option<Box<LongText>>,
}

/// A text that is not kept.
#[derive(Debug)]
struct LongText {
    scanner: LongScanner,
    /// The kinds that were reported.
    known: Kinds,
    key: Box<[u8]>,
    /// Name of the statement that Parse prepares.
    prepares: Option<Box<[u8]>>,
    has_ended: bool,
}

/// There are too many names to remember.
#[derive(Debug)]
pub(super) struct TooMany;

impl Statements {
    /// Parse: `payload` has a name and a text, each of which ends with a zero. With `has_rest`, more of it follows.
    pub(super) fn parse(&mut self, payload: &[u8], has_rest: bool) -> Result<(), TooMany> {
        let (name, rest) = text(payload);
        let (query, behind) = text(rest);
        self.prepared.on_parse();
        if has_rest && query.len() == rest.len() && behind.is_empty() {
            self.begin_long(query, Some(name.into()));
            return Ok(());
        }
        let (kinds, key) = sql::scan(query, &mut self.scratch);
        let statement = Arc::new(Statement { kinds, key: key.into() });
        self.prepared.insert(name, statement)
    }

    /// Bind: `payload` has the names of a portal and of its statement. `group` is the number of groups of messages before it.
    pub(super) fn bind(&mut self, payload: &[u8], group: u64) -> Result<(), TooMany> {
        let (portal, rest) = text(payload);
        let (statement, _) = text(rest);
        let statement = self.prepared.get(statement).cloned();
        if portal.is_empty() {
            self.unnamed_portal = statement;
            return Ok(());
        }
        match statement {
            Some(statement) => {
                let new = Portal { statement, group };
                if let Some(existing) = self.portals.get_mut(portal) {
                    *existing = new;
                } else if self.portals.len() < MAX_NAMED {
                    self.portals.insert(portal.into(), new);
                } else {
                    return Err(TooMany);
                }
            }
            None => drop(self.portals.remove(portal)),
        }
        Ok(())
    }

    /// A transaction has ended, and its portals with it: those of this number of groups of messages.
    #[inline]
    pub(super) fn end_portals(&mut self, groups: u64) {
        if !self.portals.is_empty() {
            self.portals.retain(|_, portal| portal.group >= groups);
        }
    }

    /// Execute: `payload` has the name of a portal.
    pub(super) fn execute(&mut self, request: u64, payload: &[u8]) -> Option<&Statement> {
        let statement = match text(payload).0 {
            [] => self.unnamed_portal.as_deref(),
            name => self.portals.get(name).map(|portal| &*portal.statement),
        }?;
        if statement.kinds == Kinds::OTHER {
            self.prepared.note_deallocated(request, &statement.key);
        }
        Some(statement)
    }

    /// Close: `payload` has the type and the name of what to close.
    pub(super) fn close(&mut self, payload: &[u8]) {
        if let Some((kind, rest)) = payload.split_first() {
            match (kind, text(rest).0) {
                (b'S', name) => self.prepared.close(name),
                (_, []) => self.unnamed_portal = None,
                (_, name) => drop(self.portals.remove(name)),
            }
        }
    }

    /// Scans the text of a simple query, and returns its kinds and key. With `has_rest`, more of it follows, and the kinds are those that
    /// are known.
    pub(super) fn query<'a>(
        &'a mut self,
        request: u64,
        payload: &'a [u8],
        has_rest: bool,
    ) -> (Kinds, &'a [u8]) {
        // It is faster than `text` unless the text is short.
        match memchr(0, payload) {
            None if has_rest => {
                let long = self.begin_long(payload, None);
                (long.known, &long.key)
            }
            end => {
                let found = sql::scan(&payload[..end.unwrap_or(payload.len())], &mut self.scratch);
                if found.0 == Kinds::OTHER {
                    self.prepared.note_deallocated(request, found.1);
                }
                found
            }
        }
    }

    fn begin_long(&mut self, text: &[u8], prepares: Option<Box<[u8]>>) -> &LongText {
        let mut scanner = LongScanner::default();
        scanner.read(text);
        let known = scanner.known();
        let key = sql::scan(text, &mut self.scratch).1.into();
        self.long.insert(Box::new(LongText { scanner, known, key, prepares, has_ended: false }))
    }

    /// Reads more of a message. The text of Query or Parse ends with a zero.
    #[inline]
    pub(super) fn read_long(&mut self, bytes: &[u8]) {
        let Some(long) = self.long.as_mut().filter(|long| !long.has_ended) else { return };
        let end = memchr(0, bytes);
        long.has_ended = end.is_some();
        long.scanner.read(&bytes[..end.unwrap_or(bytes.len())]);
    }

    /// The message ends. Returns the kinds of a simple query that were not known before, with its key.
    #[inline]
    pub(super) fn end_long(&mut self) -> Result<Option<Statement>, TooMany> {
        match self.long.take() {
            Some(long) => self.end_text(*long),
            None => Ok(None),
        }
    }

    #[cold]
    fn end_text(&mut self, long: LongText) -> Result<Option<Statement>, TooMany> {
        let LongText { scanner, known, key, prepares, .. } = long;
        let kinds = scanner.finish();
        let Some(name) = prepares else {
            return Ok(kinds.without(known).map(|kinds| Statement { kinds, key }));
        };
        self.prepared.insert(&name, Arc::new(Statement { kinds, key }))?;
        Ok(None)
    }
}

/// Returns the bytes up to the first zero, and those after it. A text that was cut has no zero.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
