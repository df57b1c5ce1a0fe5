//! What a run did, counted and shown as a table.

use std::sync::atomic::{AtomicU64, Ordering};

use comfy_table::{CellAlignment, Table, presets};
use proxy_relay::SessionSummary;

/// Of the sessions of one mapping.
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

    /// Delivered, both ways together.
    pub fn bytes(&self) -> u64 {
        self.to_upstream.load(Ordering::Relaxed) + self.to_downstream.load(Ordering::Relaxed)
    }
}

/// One row a mapping.
pub fn table<'a>(rows: impl IntoIterator<Item = (String, &'a Tally)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["proxy", "sessions", "bytes to upstream", "bytes to client", "aborted", "errors"]);
    for (mapping, tally) in rows {
        let counts =
            [&tally.sessions, &tally.to_upstream, &tally.to_downstream, &tally.aborted, &tally.errors];
        table.add_row(
            std::iter::once(mapping).chain(counts.map(|count| count.load(Ordering::Relaxed).to_string())),
        );
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
