//! Tables. On a terminal they have columns that fit its width, otherwise tabs between the fields.

mod fit;

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};
use terminal_size::{Width, terminal_size_of};

use crate::terminal::escape_control;

/// Width of a terminal that does not report its width.
const DEFAULT_WIDTH: u16 = 80;

/// Spaces between two columns.
const PADDING: u16 = 2;

/// Rows below a header. Control characters in cells are escaped.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Index of the first column with numbers.
    numbers: usize,
}

impl Table {
    /// Creates a table without rows.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { rows: vec![header.map(str::to_owned).into()], numbers: N }
    }

    /// Aligns the columns from this one on to the right.
    #[must_use]
    pub fn with_numbers_from(self, column: usize) -> Self {
        Self { numbers: column, ..self }
    }

    /// Adds a row.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.rows.push(cells.into_iter().map(|cell| escape_control(cell.as_ref())).collect());
    }

    /// Returns true if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Returns the table for stdout.
    pub fn for_stdout(&self) -> String {
        let stdout = io::stdout();
        self.render(stdout.is_terminal().then(|| width_of(terminal_size_of(stdout))))
    }

    /// Returns the table for stderr.
    pub fn for_stderr(&self) -> String {
        let stderr = io::stderr();
        self.render(stderr.is_terminal().then(|| width_of(terminal_size_of(stderr))))
    }

    /// Returns the table for a terminal of this width, or with tabs between the fields.
    fn render(&self, width: Option<u16>) -> String {
        let Some(width) = width else {
            return self.rows.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n");
        };
        let rows = self.fitted(usize::from(width));
        let (header, rows) = rows.split_first().expect("a table has a header");
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_header(header).add_rows(rows);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index + 1 < header.len() { PADDING } else { 0 }));
            if index >= self.numbers {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    /// Returns the rows with line breaks in cells, so that they fit this width. The table library would
    /// otherwise break words, and make all columns equally wide.
    fn fitted(&self, width: usize) -> Vec<Vec<String>> {
        let max = |column: usize, of: fn(&str) -> usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| of(cell)).max().unwrap_or(0)
        };
        let columns = 0..self.rows[0].len();
        let natural: Vec<_> = columns.clone().map(|column| max(column, fit::width)).collect();
        let words: Vec<_> = columns.map(|column| max(column, fit::longest_word)).collect();
        let padding = usize::from(PADDING) * natural.len().saturating_sub(1);
        let widths = fit::widths(&natural, &words, width.saturating_sub(padding));
        let fit_row = |row: &Vec<String>| {
            row.iter().zip(&widths).map(|(cell, width)| fit::lines(cell, *width)).collect()
        };
        self.rows.iter().map(fit_row).collect()
    }
}

fn width_of(size: Option<(Width, terminal_size::Height)>) -> u16 {
    size.map_or(DEFAULT_WIDTH, |(Width(width), _)| width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["proxy", "what it is", "count"]).with_numbers_from(2);
        table.add_row(["two\nlines\u{1b}[2J", "a text of some words", "1"]);
        table.add_row(["b", "c", "12345"]);
        table
    }

    #[test]
    fn a_pipe_gets_tabs_and_one_line_for_each_row() {
        let expected =
            "proxy\twhat it is\tcount\ntwo\\nlines\\u{1b}[2J\ta text of some words\t1\nb\tc\t12345";
        assert_eq!(table().render(None), expected);
    }

    #[test]
    fn a_terminal_gets_columns_that_fit() {
        let expected = "proxy                what it is            count\n\
                        ────────────────────────────────────────────────\n\
                        two\\nlines\\u{1b}[2J  a text of some words      1\n\
                        b                    c                     12345";
        assert_eq!(table().render(Some(80)), expected);
        for width in [20, 30, 40] {
            let narrow = table().render(Some(width));
            assert!(narrow.lines().all(|line| line.chars().count() <= usize::from(width)), "{narrow}");
            assert!(narrow.contains("12345"), "{narrow}");
        }
        let mut proxies = Table::new(["name", "listen", "enabled", "toxics"]);
        proxies.add_row(["database", "127.0.0.1:37077", "yes", "stream, packet_loss_down"]);
        let expected = "name      listen           enabled  toxics\n\
                        ────────────────────────────────────────────────────\n\
                        database  127.0.0.1:37077  yes      stream,\n                                    packet_loss_down";
        assert_eq!(proxies.render(Some(55)), expected);
    }
}
