//! The table of sessions at the end of a run.

use comfy_table::{CellAlignment, Table, presets};
use fault_proxy_relay::RelayStats;

use crate::terminal::escape_control;

/// Returns a table with one row for each mapping.
pub fn table(rows: impl IntoIterator<Item = (String, RelayStats)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["proxy", "sessions", "bytes to upstream", "bytes to client", "aborted", "errors"]);
    for (mapping, RelayStats { sessions, bytes: moved, ends, .. }) in rows {
        let counts = [sessions, moved.to_upstream, moved.to_downstream, ends.aborted(), ends.errors()];
        table.add_row(std::iter::once(escape_control(&mapping)).chain(counts.map(|count| count.to_string())));
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
        let table = table([("two\nlines\u{1b}[2J".to_owned(), RelayStats::default())]).to_string();
        assert!(table.contains(r" two\nlines\u{1b}[2J ") && !table.contains('\u{1b}'), "{table}");
    }
}
