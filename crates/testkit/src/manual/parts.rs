//! Splits a page into lines of text and blocks of code.

use std::iter;

/// One part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A line outside of blocks.
    Line(&'a str),
    /// A block between fences.
    Block {
        /// Line number of its opening fence, from 1.
        at: usize,
        /// Text after the opening fence.
        info: &'a str,
        lines: Vec<&'a str>,
    },
}

/// Returns the parts of a page, in order.
pub(super) fn parts(page: &str) -> impl Iterator<Item = Part<'_>> {
    let mut lines = page.lines().zip(1..);
    iter::from_fn(move || {
        let (line, at) = lines.next()?;
        let Some(info) = fence(line) else { return Some(Part::Line(line)) };
        let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| fence(line).is_none());
        Some(Part::Block { at, info, lines: inside.collect() })
    })
}

/// Returns the text after a fence.
fn fence(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("```")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_blocks_come_in_order() {
        let page = "# A\n\n```sh x\n# b\n\n```\nc\n  ```\n  d\n  ```\n";
        let block = |at, info, lines: &[&'static str]| Part::Block { at, info, lines: lines.to_vec() };
        let expected = [
            Part::Line("# A"),
            Part::Line(""),
            block(3, "sh x", &["# b", ""]),
            Part::Line("c"),
            block(8, "", &["  d"]),
        ];
        assert_eq!(parts(page).collect::<Vec<_>>(), expected);
    }
}
