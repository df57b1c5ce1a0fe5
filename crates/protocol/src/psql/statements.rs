//! Prepared statements and portals.

use std::collections::HashMap;
use std::sync::Arc;

use memchr::memchr;

use super::sql::{self, Kinds};

/// Most named statements, and most named portals, that are remembered.
const MAX_NAMED: usize = 4096;

/// A statement as its requests report it.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kinds: Kinds,
    pub(super) key: Box<[u8]>,
}

type Named = HashMap<Box<[u8]>, Arc<Statement>>;

/// Statements that Parse has named, and the portals that Bind has made of them.
#[derive(Debug, Default)]
pub(super) struct Statements {
    prepared: Named,
    portals: Named,
    /// Nearly all portals have no name.
    unnamed_portal: Option<Arc<Statement>>,
    scratch: Vec<u8>,
}

/// There are too many names to remember.
#[derive(Debug)]
pub(super) struct TooMany;

impl Statements {
    /// Parse: `payload` has a name and a text, each of which ends with a zero.
    pub(super) fn parse(&mut self, payload: &[u8]) -> Result<(), TooMany> {
        let (name, rest) = text(payload);
        let (query, _) = text(rest);
        let (kinds, key) = sql::scan(query, &mut self.scratch);
        let statement = Arc::new(Statement { kinds, key: key.into() });
        insert(&mut self.prepared, name, statement)
    }

    /// Bind: `payload` has the names of a portal and of its statement.
    pub(super) fn bind(&mut self, payload: &[u8]) -> Result<(), TooMany> {
        let (portal, rest) = text(payload);
        let (statement, _) = text(rest);
        let statement = self.prepared.get(statement).cloned();
        if portal.is_empty() {
            self.unnamed_portal = statement;
            return Ok(());
        }
        match statement {
            Some(statement) => insert(&mut self.portals, portal, statement),
            None => {
                self.portals.remove(portal);
                Ok(())
            }
        }
    }

    /// Execute: `payload` has the name of a portal.
    pub(super) fn of_portal(&self, payload: &[u8]) -> Option<&Statement> {
        match text(payload).0 {
            [] => self.unnamed_portal.as_deref(),
            name => self.portals.get(name).map(Arc::as_ref),
        }
    }

    /// Close: `payload` has the type and the name of what to close.
    pub(super) fn close(&mut self, payload: &[u8]) {
        if let Some((kind, rest)) = payload.split_first() {
            match (kind, text(rest).0) {
                (b'S', name) => drop(self.prepared.remove(name)),
                (_, []) => self.unnamed_portal = None,
                (_, name) => drop(self.portals.remove(name)),
            }
        }
    }

    /// Scans the text of a simple query, and returns its kinds and key.
    pub(super) fn query<'a>(&'a mut self, payload: &'a [u8]) -> (Kinds, &'a [u8]) {
        // It is faster than `text` unless the text is short.
        let end = memchr(0, payload).unwrap_or(payload.len());
        sql::scan(&payload[..end], &mut self.scratch)
    }
}

fn insert(named: &mut Named, name: &[u8], statement: Arc<Statement>) -> Result<(), TooMany> {
    if let Some(existing) = named.get_mut(name) {
        *existing = statement;
        return Ok(());
    }
    if named.len() >= MAX_NAMED {
        return Err(TooMany);
    }
    named.insert(name.into(), statement);
    Ok(())
}

/// Returns the bytes up to the first zero, and those after it. A text that was cut has no zero.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
