//! One proxy with its faults, requests and sessions.

use fault_proxy_control::proxies::{FaultState, ProxyState, RequestsState, Sample, SessionState, TimesState};
use proxy_cli::terminal::{counted, escape_control};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::columns::route;
use super::faults::{label, schedule, symbol, words};
use super::format::{bytes, cut, fit, millis, seconds, sparkline, wrap};
use super::source::Snapshot;

/// Maximum number of lines of an error.
const MAX_PROBLEM_LINES: usize = 4;

/// Returns all lines, and the place of the selected fault among them.
pub(super) fn lines(
    proxy: &ProxyState,
    snapshot: &Snapshot,
    app: &App,
    width: usize,
) -> (Vec<Line<'static>>, Option<usize>) {
    let state = &snapshot.state;
    let now = state.uptime_ms;
    let samples = snapshot.samples(&proxy.name);
    let mut lines = summary(proxy, samples, now, width);
    lines.push(title("Faults", proxy.faults.len(), "press a to add one"));
    let names = proxy.faults.iter().map(|fault| &*fault.name);
    let selected = app.open.as_ref().and_then(|open| open.place(names));
    let mut selected_line = None;
    for (place, fault) in proxy.faults.iter().enumerate() {
        let is_selected = Some(place) == selected;
        if is_selected {
            selected_line = Some(lines.len());
        }
        lines.push(fault_line(fault, label(fault, &proxy.faults), now, is_selected, width));
        let chart = schedule(fault, state).map(|chart| format!("  {chart}"));
        let text = format!("      {}{}", figures(fault), chart.unwrap_or_default());
        lines.push(Line::from(cut(&text, width)).dim());
    }
    if let Some(protocol) = &proxy.protocol {
        let opaque = match proxy.sessions_opaque {
            0 => String::new(),
            opaque => format!(", {} not readable", counted(opaque, "session")),
        };
        let none = format!("of {}: none counted, see --count-requests{opaque}", escape_control(protocol));
        lines.push(title("Requests", proxy.requests.len(), &none));
        lines.extend(proxy.requests.iter().map(|kind| Line::from(cut(&requests(kind), width))));
    }
    lines.push(title("Sessions", proxy.sessions_active, "none open"));
    lines.extend(proxy.sessions.iter().map(|each| Line::from(cut(&session(each), width))));
    let unlisted = proxy.sessions_active.saturating_sub(proxy.sessions.len());
    if unlisted > 0 {
        lines.push(Line::from(format!("  … {unlisted} more sessions")).dim());
    }
    (lines, selected_line)
}

/// Returns the heading of a part, with a hint if the part is empty.
fn title(text: &'static str, count: usize, hint: &str) -> Line<'static> {
    let mut parts = vec![Span::raw(text).bold()];
    if count == 0 {
        parts.push(Span::raw(format!("  {hint}")).dim());
    }
    Line::from(parts)
}

fn summary(proxy: &ProxyState, samples: &[Sample], now: u64, width: usize) -> Vec<Line<'static>> {
    let protocol = proxy.protocol.as_ref().map(|protocol| format!("  {}", escape_control(protocol)));
    let enabled = if proxy.enabled { "" } else { "  disabled" };
    let heading = vec![
        Span::raw(escape_control(&proxy.name)).bold(),
        Span::raw(format!("  {}{}{enabled}", route(proxy), protocol.unwrap_or_default())),
    ];
    let sessions = format!("sessions   {} open, {} so far", proxy.sessions_active, proxy.sessions_total);
    let mut lines = vec![Line::from(fit(heading, width, false)), Line::from(cut(&sessions, width))];
    if proxy.sessions_failed > 0 {
        let last = proxy.last_failure.as_ref().map(|failure| {
            let ago = seconds(now.saturating_sub(failure.at_ms));
            format!(", the last {ago} ago: {}", failure.message)
        });
        let text = format!("failed     {}{}", proxy.sessions_failed, last.unwrap_or_default());
        lines.extend(wrap(&text, width, MAX_PROBLEM_LINES).into_iter().map(|line| Line::from(line).red()));
    }
    let recent = &proxy.recent;
    let flow = |name: &str, rate: f64, total: u64, of: fn(&Sample) -> u64| {
        let values: Vec<_> = samples.iter().map(|sample| of(sample) as f64).collect();
        let text = format!("{name:<9}  {:>6}/s  {:>6} so far  ", bytes(rate), bytes(total as f64));
        with_chart(&text, &values, width)
    };
    lines.push(flow("requests", recent.bytes_per_second_to_upstream, proxy.bytes_to_upstream, |sample| {
        sample.bytes_to_upstream
    }));
    lines.push(flow("responses", recent.bytes_per_second_to_client, proxy.bytes_to_client, |sample| {
        sample.bytes_to_client
    }));
    let times = recent.latency_ms.map_or_else(|| "none".to_owned(), |times| quantiles(&times));
    let held = if proxy.held_bytes > 0 {
        format!(", {} held now", bytes(proxy.held_bytes as f64))
    } else {
        String::new()
    };
    let text = format!("added      {times}{held}  ");
    let values: Vec<_> = samples.iter().map(|sample| sample.latency_p99_ms.unwrap_or(0.0)).collect();
    lines.push(with_chart(&text, &values, width));
    lines
}

/// Returns a text and a chart of the last minute in the rest of the line.
fn with_chart(text: &str, values: &[f64], width: usize) -> Line<'static> {
    let room = width.saturating_sub(text.width()).min(60);
    Line::from(vec![Span::raw(cut(text, width)), Span::raw(sparkline(values, room)).cyan()])
}

fn quantiles(times: &TimesState) -> String {
    let [p50, p90, p99, max] = [times.p50, times.p90, times.p99, times.max].map(millis);
    format!("p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
}

fn fault_line(fault: &FaultState, label: String, now: u64, is_selected: bool, width: usize) -> Line<'static> {
    let (symbol, style) = symbol(fault, now);
    let share =
        if fault.toxicity < 1.0 { format!(", {} of sessions", fault.toxicity) } else { String::new() };
    let stream = match fault.stream.to_ascii_lowercase().as_str() {
        _ if fault.attributes.get("direction").is_some_and(|direction| direction == "both") => {
            "both directions"
        }
        "upstream" => "requests",
        _ => "responses",
    };
    let (words, effect) =
        (words(fault, now), format!("{}, {stream}{share}", escape_control(&fault.description)));
    // The state is shown also if the effect is long.
    let room = width.saturating_sub("› ● ".width() + label.width() + "  ".width() * 2 + words.width());
    let parts = vec![
        Span::raw(if is_selected { "› " } else { "  " }),
        Span::styled(format!("{symbol} "), style),
        Span::raw(label).bold(),
        Span::raw(format!("  {}  ", cut(&effect, room))),
        Span::styled(words, style),
    ];
    let line = Line::from(fit(parts, width, false));
    if is_selected { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}

/// Returns what a fault was asked for, and what it has done.
fn figures(fault: &FaultState) -> String {
    let mut parts =
        vec![format!("acted {} in {}", counted(fault.applied, "time"), counted(fault.sessions, "session"))];
    if let Some(held) = &fault.held_ms {
        let asked = fault.asked_ms.map(|asked| format!(" (asked {})", millis(asked.p50)));
        let (p50, p99) = (millis(held.p50), millis(held.p99));
        parts.push(format!("held p50 {p50}{}, p99 {p99}", asked.unwrap_or_default()));
    }
    if let Some(rate) = fault.bytes_per_second {
        parts.push(format!("{}/s", bytes(rate)));
    }
    if let Some(loss) = fault.loss_share {
        parts.push(format!("lost {:.1} % of {}", loss * 100.0, counted(fault.segments, "segment")));
    }
    parts.join(", ")
}

fn requests(of: &RequestsState) -> String {
    let duration =
        of.duration_ms.map(|times| format!("  p50 {}, p99 {}", millis(times.p50), millis(times.p99)));
    let unconfirmed = match of.unconfirmed {
        0 => String::new(),
        count => format!(", {count} unconfirmed"),
    };
    let counts = format!("{} sent, {} forwarded, {} answered", of.requests, of.forwarded, of.answered);
    format!("  {:<10} {counts}{unconfirmed}{}", escape_control(&of.kind), duration.unwrap_or_default())
}

fn session(of: &SessionState) -> String {
    let [up, down] = [of.bytes_to_upstream, of.bytes_to_client].map(|count| bytes(count as f64));
    let client = escape_control(&of.client);
    format!("  #{:<5} {client:<22} {:>8}  requests {up:>6}  responses {down:>6}", of.id, seconds(of.age_ms))
}
