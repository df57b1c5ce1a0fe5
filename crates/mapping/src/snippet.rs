use std::ops::Range;

use unicode_width::UnicodeWidthStr;

/// Returns two lines: the input, and at least one caret under the span.
pub(crate) fn snippet(input: &str, span: &Range<usize>) -> String {
    let before = " ".repeat(columns(&input[..span.start]));
    let carets = "^".repeat(columns(&input[span.clone()]).max(1));
    format!("  {}\n  {before}{carets}", printable(input))
}

/// Returns the text with tabs, line ends, control sequences, and combining and invisible characters written as escapes, so
/// that a terminal shows each as a visible character.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

fn columns(text: &str) -> usize {
    printable(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(before: &str, span: &str, after: &str) -> String {
        let input = format!("{before}{span}{after}");
        snippet(&input, &(before.len()..before.len() + span.len()))
    }

    #[test]
    fn carets_stand_under_the_span() {
        assert_eq!(marked("9090=", "h", ""), "  9090=h\n       ^");
        assert_eq!(marked("", "", ""), "  \n  ^");
        assert_eq!(marked("9090=h:", "", ""), "  9090=h:\n         ^");
    }

    #[test]
    fn carets_stand_under_the_span_after_non_ascii_characters() {
        assert_eq!(marked("é=", "ß", "x"), "  é=ßx\n    ^");
        assert_eq!(marked("日本=", "語x", "y"), "  日本=語xy\n       ^^^");
        assert_eq!(marked("🦀=", "x", ""), "  🦀=x\n     ^");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(marked("a\t", "b", "\n"), "  a\\tb\\n\n     ^");
        assert_eq!(marked("e\u{301}", "\u{200b}", ""), "  e\\u{301}\\u{200b}\n          ^^^^^^^^");
        assert_eq!(printable("\u{1b}[31m"), "\\u{1b}[31m");
        assert_eq!(printable(r#"a b"c'd\"#), r#"a b"c'd\"#);
    }
}
