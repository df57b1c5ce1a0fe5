//! What a run did, counted and shown as a table.

use std::sync::atomic::{AtomicU64, Ordering};

use comfy_table::{CellAlignment, Table, presets};
use proxy_relay::SessionSummary;

use crate::terminal::plain;

/// Sessions and bytes of one mapping.
#[derive(Debug, Default)]
pub struct Tally {
    sessions: AtomicU64,
    to_upstream: AtomicU64,
    to_downstream: AtomicU64,
    aborted: AtomicU64,
    errors: AtomicU64,
}

impl Tally {
    /// Counts one that is over.
    pub fn add(&self, session: &SessionSummary) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.to_upstream.fetch_add(session.bytes_to_upstream, Ordering::Relaxed);
        self.to_downstream.fetch_add(session.bytes_to_downstream, Ordering::Relaxed);
        if session.is_error() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        } else if !session.is_clean() {
            self.aborted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What it has counted.
    pub fn row(&self) -> Row {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Row {
            sessions: load(&self.sessions),
            to_upstream: load(&self.to_upstream),
            to_downstream: load(&self.to_downstream),
            aborted: load(&self.aborted),
            errors: load(&self.errors),
        }
    }
}

/// What is counted of the sessions of one mapping.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row {
    /// Sessions.
    pub sessions: u64,
    /// Bytes delivered to upstreams.
    pub to_upstream: u64,
    /// Bytes delivered to clients.
    pub to_downstream: u64,
    /// Sessions that ended without an error, but not with a half-close from both sides.
    pub aborted: u64,
    /// Sessions that ended with an error.
    pub errors: u64,
}

/// Returns a table with one row for each mapping.
pub fn table(rows: impl IntoIterator<Item = (String, Row)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["proxy", "sessions", "bytes to upstream", "bytes to client", "aborted", "errors"]);
    for (mapping, Row { sessions, to_upstream, to_downstream, aborted, errors }) in rows {
        let counts = [sessions, to_upstream, to_downstream, aborted, errors];
        table.add_row(std::iter::once(plain(&mapping)).chain(counts.map(|count| count.to_string())));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_cannot_control_the_terminal() {
        let table = table([("two\nlines\u{1b}[2J".to_owned(), Row::default())]).to_string();
        assert!(table.contains(r" two\nlines\u{1b}[2J ") && !table.contains('\u{1b}'), "{table}");
    }
}
