//! The list of proxies.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};

use super::app::App;
use super::columns::{Placed, fitting};
use super::draw::more;
use super::format::{cut, fit};
use super::source::Snapshot;

/// Width of the mark of the selected proxy.
const MARK: usize = 2;

pub(super) fn lines(app: &mut App, snapshot: &Snapshot, area: Rect) -> Vec<Line<'static>> {
    let state = &snapshot.state;
    let width = usize::from(area.width);
    let listed = app.listed(state);
    let columns = fitting(&listed, width.saturating_sub(MARK));
    let mut lines = vec![header(app, &columns)];
    if state.proxies.is_empty() {
        lines.push(Line::from(cut("  no proxies: fault-proxy ctl create NAME --upstream HOST:PORT", width)));
        return lines;
    }
    let height = usize::from(area.height).saturating_sub(1);
    let selected = app.place(&listed);
    let rows = if listed.len() > height { height.saturating_sub(1) } else { height };
    app.rows = rows;
    app.first = app.first.clamp((selected + 1).saturating_sub(rows).min(selected), selected);
    app.first = app.first.min(listed.len().saturating_sub(rows));
    for (place, proxy) in listed.iter().enumerate().skip(app.first).take(rows) {
        let samples = snapshot.samples(&proxy.name);
        let is_selected = place == selected;
        let mut parts = vec![Span::raw(if is_selected { "› " } else { "  " })];
        for (index, (column, width)) in columns.iter().enumerate() {
            let cell = column.cell(proxy, samples, state.uptime_ms, *width);
            parts.push(Span::raw(if index > 0 { "  " } else { "" }));
            parts.extend(fit(cell, *width, column.is_number()));
        }
        let line = Line::from(parts);
        let line = if proxy.enabled { line } else { line.dim() };
        lines.push(if is_selected {
            line.style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            line
        });
    }
    let below = listed.len().saturating_sub(app.first + rows);
    if app.first + below > 0 {
        lines.push(more(app.first, below, "proxies"));
    }
    lines
}

fn header(app: &App, columns: &[Placed]) -> Line<'static> {
    let mut parts = vec![Span::raw("  ")];
    for (index, (column, width)) in columns.iter().enumerate() {
        parts.push(Span::raw(if index > 0 { "  " } else { "" }));
        let style = Style::new().add_modifier(Modifier::BOLD);
        let style = if column.is_sorted_by(app.key) { style.underlined() } else { style };
        parts.extend(fit(vec![Span::styled(column.title(), style)], *width, column.is_title_right()));
    }
    Line::from(parts)
}
