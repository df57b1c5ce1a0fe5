//! The table of sessions at the end of a run.

use std::iter::once;

use fault_proxy_relay::RelayStats;

use crate::table::Table;

/// Returns a table with one row for each mapping.
pub fn table(rows: impl IntoIterator<Item = (String, RelayStats)>) -> Table {
    let header = ["proxy", "sessions", "request bytes", "response bytes", "aborted", "errors"];
    let mut table = Table::new(header).with_numbers_from(1);
    for (mapping, RelayStats { sessions, bytes, ends, .. }) in rows {
        let counts = [sessions, bytes.to_upstream, bytes.to_downstream, ends.aborted(), ends.errors()];
        table.add_row(once(mapping).chain(counts.map(|count| count.to_string())));
    }
    table
}
