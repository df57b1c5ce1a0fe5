//! The keys and symbols.

use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};

use super::draw::more;
use super::format::{cut, wrap};

const KEYS: [(&str, &str); 10] = [
    ("↑ ↓ PgUp PgDn", "select a proxy or a fault; also k, j, g, G, Home, End"),
    ("Enter, Esc", "open the selected proxy, go back to the list"),
    ("/", "list only proxies with a text in a name, address or fault"),
    ("Esc", "in the list: clear the filter"),
    ("s, r", "sort by the next column, reverse the order"),
    ("a", "add a fault as `ctl fault add` does: latency mean=200ms"),
    ("t, Space", "switch the fault off, or on again"),
    ("d, Delete", "remove the fault"),
    ("Ctrl-Z, Ctrl-L", "suspend the program, draw everything again"),
    ("?", "this help"),
];

const SYMBOLS: [(&str, &str); 5] = [
    ("●", "the fault is on"),
    ("◌", "it is on, but has never acted"),
    ("◷", "its schedule switches it on later"),
    ("■", "used up: it has acted on as many sessions or requests as its times allow"),
    ("○", "it is off"),
];

pub(super) fn lines(is_run: bool, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let leave = if is_run {
        [("q", "close the view; the run and its log continue"), ("Ctrl-C", "end the run")]
    } else {
        [("q, Ctrl-C", "leave; the run continues"), ("", "")]
    };
    let line = |(key, text): (&'static str, &'static str)| {
        Line::from(vec![
            Span::from(format!("  {key:<16}")).bold(),
            Span::from(cut(text, width.saturating_sub(18))),
        ])
    };
    let symbol =
        |(symbol, text): (&'static str, &'static str)| Line::from(cut(&format!("  {symbol} {text}"), width));
    let mut lines = vec![Line::from("Keys").bold()];
    lines.extend(KEYS.into_iter().chain(leave).filter(|(key, _)| !key.is_empty()).map(line));
    lines.push(Line::default());
    lines.push(Line::from("Faults").bold());
    lines.extend(SYMBOLS.into_iter().map(symbol));
    let times = "REQ and RESP (bytes of requests and responses), P50 and P99 (time that faults held data) are of the last 5 s, TREND is of the last minute.";
    lines.extend(wrap(times, width, 2).into_iter().map(Line::from));
    let height = usize::from(area.height);
    if lines.len() > height {
        let rows = height.saturating_sub(1);
        let below = lines.len() - rows;
        lines.truncate(rows);
        lines.push(more(0, below, "lines"));
    }
    lines
}
