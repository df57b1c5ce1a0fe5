//! The whole screen.

use std::iter::repeat;

use proxy_cli::terminal::{counted, escape_control};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::app::{App, Dialog};
use super::format::{cut, seconds, without_colors, wrap};
use super::source::Snapshot;
use super::{detail, help, overview};

/// Number of lines of the log that a tall terminal shows.
pub(super) const LOG_LINES: usize = 5;

/// Contents of the screen, apart from the state of the view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Address of the control API.
    pub(super) address: &'a str,
    /// Whether the view is that of the run itself.
    pub(super) is_run: bool,
    /// Error of the last update.
    pub(super) problem: Option<&'a str>,
    /// Last lines of the log, if it is shown.
    pub(super) log: Option<&'a [String]>,
}

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, shown: &Shown<'_>) {
    let area = frame.area();
    let log_height = match (shown.log, area.height) {
        _ if app.dialog == Some(Dialog::Help) => 0,
        (Some(_), 18..) => 1 + u16::try_from(LOG_LINES).unwrap_or_default(),
        (Some(_), 12..) => 3,
        _ => 0,
    };
    let width = usize::from(area.width);
    // Errors take at most a third of the screen each.
    let rows = usize::from(area.height / 3).max(1);
    let heading = heading(shown, width, rows);
    let filter = filter(app, shown, width);
    let footer = footer(app, width, rows);
    let [heading_height, filter_height, footer_height] =
        [&heading, &filter, &footer].map(|lines| u16::try_from(lines.len()).unwrap_or(1));
    let [top, filter_area, body, log, bottom] = Layout::vertical([
        Constraint::Length(heading_height),
        Constraint::Length(filter_height),
        Constraint::Fill(1),
        Constraint::Length(log_height),
        Constraint::Length(footer_height),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(heading), top);
    frame.render_widget(Paragraph::new(filter), filter_area);
    app.rows = usize::from(body.height);
    let lines = match (&app.dialog, app.opened(&shown.snapshot.state)) {
        (Some(Dialog::Help), _) => help::lines(shown.is_run, body),
        (_, Some(proxy)) => {
            let (lines, selected) = detail::lines(proxy, shown.snapshot, app, usize::from(body.width));
            scrolled(lines, selected, app, usize::from(body.height))
        }
        (_, None) => overview::lines(app, shown.snapshot, body),
    };
    frame.render_widget(Paragraph::new(lines), body);
    frame.render_widget(Paragraph::new(log_lines(shown.log.unwrap_or_default(), log)), log);
    place_cursor(frame, app, &footer, bottom);
    frame.render_widget(Paragraph::new(footer), bottom);
}

/// Returns the totals, or the error of the last update.
fn heading(shown: &Shown<'_>, width: usize, rows: usize) -> Vec<Line<'static>> {
    let state = &shown.snapshot.state;
    let bold = Style::new().add_modifier(Modifier::BOLD);
    if let Some(problem) = shown.problem {
        let text = format!("fault-proxy  no data: {problem}");
        return wrap(&text, width, rows).into_iter().map(|line| Line::styled(line, bold.red())).collect();
    }
    let open: usize = state.proxies.iter().map(|proxy| proxy.sessions_active).sum();
    let all: u64 = state.proxies.iter().map(|proxy| proxy.sessions_total).sum();
    let failed: u64 = state.proxies.iter().map(|proxy| proxy.sessions_failed).sum();
    let time = match state.duration_ms.map(|duration| duration.saturating_sub(state.uptime_ms)) {
        None => seconds(state.uptime_ms),
        Some(0) => "draining".to_owned(),
        Some(left) => format!("{} left", seconds(left.next_multiple_of(1000))),
    };
    let sessions = format!("{} open, {all} so far", counted(open as u64, "session"));
    let address = shown.address.trim_start_matches("http://");
    let mut parts = vec![
        Span::styled("fault-proxy", bold),
        Span::raw(format!("  {} · {time} · {sessions}", escape_control(address))),
    ];
    if failed > 0 {
        parts.push(Span::raw(" · "));
        parts.push(Span::raw(format!("{failed} failed")).red());
    }
    vec![Line::from(parts)]
}

/// Returns the line that shows the filter on each page while there is one.
fn filter(app: &App, shown: &Shown<'_>, width: usize) -> Vec<Line<'static>> {
    if app.filter.is_empty() {
        return Vec::new();
    }
    let (state, is_list) = (&shown.snapshot.state, app.open.is_none() && app.dialog != Some(Dialog::Help));
    let way_out = match app.dialog {
        Some(Dialog::Filter) => "Enter keeps it, Esc clears it",
        _ if is_list => "Esc clears it",
        _ => "Esc in the list clears it",
    };
    let end = format!("\": {} of {} proxies · {way_out}", app.listed(state).len(), state.proxies.len());
    let room = width.saturating_sub("filter \"".width() + end.width());
    let text = format!("filter \"{}{end}", cut(&escape_control(&app.filter), room));
    vec![Line::from(cut(&text, width)).yellow()]
}

/// Returns the part of the lines that fits, so that the selected one is shown.
fn scrolled(
    mut lines: Vec<Line<'static>>,
    selected: Option<usize>,
    app: &mut App,
    height: usize,
) -> Vec<Line<'static>> {
    let Some(open) = &mut app.open else { return lines };
    let rows = if lines.len() > height { height.saturating_sub(1) } else { height };
    if let Some(selected) = selected.filter(|_| open.follows) {
        // The line below it has its figures.
        open.first = open.first.clamp((selected + 2).saturating_sub(rows).min(selected), selected);
    }
    open.first = open.first.min(lines.len().saturating_sub(rows));
    let above = open.first;
    let below = lines.len().saturating_sub(above + rows);
    lines = lines.into_iter().skip(above).take(rows).collect();
    if above + below > 0 {
        lines.push(more(above, below, "lines"));
    }
    lines
}

/// Returns the line that counts what does not fit.
pub(super) fn more(above: usize, below: usize, what: &str) -> Line<'static> {
    let text = match (above, below) {
        (0, below) => format!("  … {below} more {what} below"),
        (above, 0) => format!("  … {above} more {what} above"),
        (above, below) => format!("  … {above} more {what} above, {below} below"),
    };
    Line::from(text).dim()
}

fn log_lines(log: &[String], area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let rows = usize::from(area.height).saturating_sub(1);
    let title = Line::from("── log ".chars().chain(repeat('─')).take(width).collect::<String>()).dim();
    let lines = |line: &String| {
        let text = without_colors(line);
        let wrapped = || wrap(&text, width, rows).into_iter().map(Line::from);
        match text.split_whitespace().nth(1) {
            Some("ERROR") => wrapped().map(Line::red).collect(),
            Some("WARN") => wrapped().map(Line::yellow).collect(),
            _ => vec![Line::from(cut(&escape_control(&text), width))],
        }
    };
    let lines: Vec<_> = log.iter().flat_map(lines).collect();
    let left_out = lines.len().saturating_sub(rows);
    [title].into_iter().chain(lines.into_iter().skip(left_out)).collect()
}

/// Returns the dialog, the last message, or the keys.
fn footer(app: &App, width: usize, rows: usize) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let wrapped = |text: &str| wrap(text, width, rows).into_iter().map(Line::from);
    match &app.dialog {
        Some(Dialog::Filter) => return vec![Line::from(typed("filter: ", &app.filter, width))],
        Some(Dialog::Add { proxy, line, problem }) => {
            let hint = "for example latency mean=200ms; Enter adds the fault, Esc cancels";
            let mut lines: Vec<_> = match problem {
                Some(problem) => wrapped(problem).map(Line::red).collect(),
                None => wrapped(hint).map(Line::dim).collect(),
            };
            let start = format!("add to {}: ", cut(&escape_control(proxy), width / 3));
            lines.push(Line::from(typed(&start, line, width)));
            return lines;
        }
        Some(Dialog::Remove { proxy, label, .. }) => {
            return wrapped(&format!("remove {label} from {proxy}? y/n"))
                .map(|line| line.style(bold))
                .collect();
        }
        Some(Dialog::Help) => return vec![Line::from("any key closes the help").dim()],
        None => {}
    }
    if let Some(message) = &app.message {
        let lines = wrapped(&message.text);
        return lines.map(|line| if message.is_error { line.red() } else { line.green() }).collect();
    }
    let order = format!("by {}{}", app.key.name(), if app.is_reversed { " ↑" } else { "" });
    let ends = [("a", "add"), ("t", "toggle"), ("d", "remove")];
    let keys = match app.open {
        None => [
            &[("?", "help"), ("q", "leave"), ("Enter", "open")],
            &ends[..],
            &[("/", "filter"), ("s", &order)],
        ],
        Some(_) => [&[("?", "help"), ("q", "leave"), ("Esc", "back")], &ends[..], &[("↑↓", "select")]],
    };
    let part =
        |(key, what): &(&str, &str)| [Span::styled((*key).to_owned(), bold), Span::raw(format!(" {what}  "))];
    vec![Line::from(keys.concat().iter().flat_map(part).collect::<Vec<_>>())]
}

/// Returns the end of a line that does not fit.
fn typed(start: &str, line: &str, width: usize) -> String {
    let room = width.saturating_sub(start.width() + 1);
    let mut end = line;
    while end.width() > room {
        let mut chars = end.chars();
        chars.next();
        end = chars.as_str();
    }
    format!("{start}{end}")
}

fn place_cursor(frame: &mut Frame<'_>, app: &App, footer: &[Line<'_>], area: Rect) {
    let is_typed = matches!(app.dialog, Some(Dialog::Filter | Dialog::Add { .. }));
    if let Some(line) = footer.last().filter(|_| is_typed && area.height > 0 && area.width > 0) {
        let column = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width - 1);
        frame.set_cursor_position(Position::new(area.x + column, area.bottom() - 1));
    }
}
