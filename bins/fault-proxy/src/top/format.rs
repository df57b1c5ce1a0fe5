//! Figures and texts that fit a column.

use std::time::Duration;

use humantime::format_duration;
use proxy_cli::terminal::escape_control;
use ratatui::text::Span;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns a number of bytes with at most three digits.
pub(super) fn bytes(count: f64) -> String {
    scaled(count, 1000.0, &["B", "KB", "MB", "GB", "TB"])
}

/// Returns a time in the unit that fits it.
pub(super) fn millis(time: f64) -> String {
    match time {
        time if time <= 0.0 => "0 ms".to_owned(),
        time if time < 1000.0 => scaled(time * 1000.0, 1000.0, &["µs", "ms"]),
        time => scaled(time / 1000.0, f64::INFINITY, &["s"]),
    }
}

fn scaled(mut number: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter().peekable();
    let mut unit = units.next().copied().unwrap_or_default();
    let mut is_scaled = unit == "s";
    while number.round() >= step
        && let Some(next) = units.next()
    {
        number /= step;
        unit = next;
        is_scaled = true;
    }
    if is_scaled && number < 9.95 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

/// Returns a time in whole seconds, as in `2m 14s`.
pub(super) fn seconds(millis: u64) -> String {
    format_duration(Duration::from_secs(millis / 1000)).to_string()
}

/// Returns the last values as a chart of this width. A value of 0 is blank.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let max = shown.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| {
        if *value <= 0.0 {
            return ' ';
        }
        let eighths = value / max * BARS.len() as f64;
        let bar = BARS.iter().enumerate().find(|(place, _)| (place + 1) as f64 >= eighths);
        bar.map_or('█', |(_, bar)| *bar)
    };
    " ".repeat(width - shown.len()) + &shown.iter().map(bar).collect::<String>()
}

/// Shortens a text with an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(mut left) = width.checked_sub(1) else { return String::new() };
    let fits = text.chars().take_while(|c| {
        let fits = c.width().unwrap_or(0) <= left;
        left = left.saturating_sub(c.width().unwrap_or(0));
        fits
    });
    fits.chain(['…']).collect()
}

/// Breaks a text into lines at its spaces, and escapes control characters. If there are more than `rows`, lines in the middle are
/// left out: an error begins with the problem and ends with the way out.
pub(super) fn wrap(text: &str, width: usize, rows: usize) -> Vec<String> {
    let mut lines: Vec<_> =
        text.lines().flat_map(|line| wrap_line(&escape_control(line), width.max(1))).collect();
    if lines.len() > rows.max(1) {
        let end = lines.split_off(lines.len() - rows.saturating_sub(1));
        lines.truncate(1);
        lines[0] = cut(&format!("{} …", lines[0]), width);
        lines.extend(end);
    }
    lines
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last: Option<String> = None;
    for word in line.split(' ') {
        match &mut last {
            Some(last) if last.width() + 1 + word.width() <= width => *last += &format!(" {word}"),
            last => {
                lines.extend(last.take());
                let mut start = String::new();
                for c in word.chars() {
                    if start.width() + c.width().unwrap_or(0) > width && !start.is_empty() {
                        lines.push(std::mem::take(&mut start));
                    }
                    start.push(c);
                }
                *last = Some(start);
            }
        }
    }
    lines.extend(last);
    lines
}

/// Returns the parts with exactly this width: shortened, or filled with spaces on the left or the right.
pub(super) fn fit(parts: Vec<Span<'static>>, width: usize, is_number: bool) -> Vec<Span<'static>> {
    let mut left = width;
    let mut fitted = Vec::new();
    for part in parts {
        let text = cut(&part.content, left);
        left -= text.width();
        let is_whole = text.width() == part.content.width();
        fitted.push(Span::styled(text, part.style));
        if !is_whole {
            break;
        }
    }
    let padding = Span::raw(" ".repeat(left));
    if is_number {
        fitted.insert(0, padding);
    } else {
        fitted.push(padding);
    }
    fitted
}

/// Returns a text without the escape sequences for colors.
pub(super) fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_unit_that_fits() {
        let shown = [0.0, 999.0, 1000.0, 1234.0, 12_345.0, 999_700.0, 3e9].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 KB", "1.2 KB", "12 KB", "1.0 MB", "3.0 GB"]);
        let shown = [0.0, 0.25, 1.0, 12.3, 200.0, 1500.0, 30_000.0].map(millis);
        assert_eq!(shown, ["0 ms", "250 µs", "1.0 ms", "12 ms", "200 ms", "1.5 s", "30 s"]);
        assert_eq!(seconds(134_900), "2m 14s");
    }

    #[test]
    fn a_chart_shows_the_last_values() {
        assert_eq!(sparkline(&[9.0, 0.0, 1.0, 4.0, 8.0], 4), " ▁▄█");
        assert_eq!(sparkline(&[2.0], 3), "  █");
        assert_eq!((sparkline(&[0.0, 0.0], 2), sparkline(&[1.0], 0)), ("  ".to_owned(), String::new()));
    }

    #[test]
    fn texts_are_cut_and_filled() {
        assert_eq!(
            [cut("fäult", 5), cut("fäults", 5), cut("日本語", 4), cut("a", 0)],
            ["fäult", "fäul…", "日…", ""]
        );
        let text =
            |spans: Vec<Span<'_>>| spans.iter().map(|span| span.content.to_string()).collect::<String>();
        assert_eq!(text(fit(vec![Span::raw("12")], 4, true)), "  12");
        assert_eq!(text(fit(vec![Span::raw("ab"), Span::raw("cdef")], 4, false)), "abc…");
        assert_eq!(text(fit(vec![Span::raw("ab"), Span::raw("c")], 0, false)), "");
    }

    #[test]
    fn texts_are_wrapped_and_the_end_stays() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one twothree  four", 5, 9), ["one", "twoth", "ree ", "four"]);
        assert_eq!(wrap("日本語", 4, 9), ["日本", "語"]);
        assert_eq!(wrap("two\n  lines\u{7}", 20, 9), ["two", "  lines\\u{7}"]);
        assert_eq!(wrap("the problem is this: do that", 8, 3), ["the …", "is this:", "do that"]);
        assert_eq!(
            (wrap("one two", 4, 1), wrap("日本", 1, 9)),
            (vec!["one…".to_owned()], vec!["日".to_owned(), "本".to_owned()])
        );
        assert_eq!((wrap("", 4, 2), wrap("ab", 0, 0)), (Vec::<String>::new(), vec![String::new()]));
    }

    #[test]
    fn colors_are_removed() {
        assert_eq!(without_colors("\u{1b}[2m10:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m x"), "10:00  INFO x");
    }
}
