//! The lines of the view.

use std::time::Duration;

use fault_proxy_control::proxies::{FaultState, ProxyState, State};
use humantime::format_duration;
use proxy_cli::terminal::{counted, escape_control};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Maximum number of proxies, and of faults of each, that fit below the log.
const MAX_PROXIES: usize = 8;
const MAX_FAULTS: usize = 4;
const BAR_WIDTH: usize = 24;

/// Returns the lines for the state `now`, with rates since the state `before`. No line is wider than `width`.
pub(super) fn lines(before: &State, now: &State, width: usize) -> Vec<String> {
    let mut lines = vec![heading(now)];
    let seconds = Duration::from_millis(now.uptime_ms.saturating_sub(before.uptime_ms)).as_secs_f64();
    let label_width = now
        .proxies
        .iter()
        .map(|proxy| escape_control(&proxy.label).width())
        .max()
        .unwrap_or(0)
        .min(width / 3);
    for proxy in now.proxies.iter().take(MAX_PROXIES) {
        let old = before.proxies.iter().find(|old| old.name == proxy.name).unwrap_or(proxy);
        lines.push(proxy_line(old, proxy, seconds, label_width));
        let whole = whole(now);
        lines.extend(
            proxy.faults.iter().take(MAX_FAULTS).map(|fault| fault_line(fault, now.uptime_ms, whole)),
        );
        more(&mut lines, "  ", proxy.faults.len(), MAX_FAULTS, "faults");
    }
    more(&mut lines, "", now.proxies.len(), MAX_PROXIES, "proxies");
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

fn more(lines: &mut Vec<String>, indent: &str, there: usize, shown: usize, what: &str) {
    if there > shown {
        lines.push(format!("{indent}… and {} more {what}", there - shown));
    }
}

fn heading(now: &State) -> String {
    let open: usize = now.proxies.iter().map(|proxy| proxy.sessions_active).sum();
    let open = counted(open as u64, "session");
    let all: u64 = now.proxies.iter().map(|proxy| proxy.sessions_total).sum();
    let sessions = format!("{open} open, {all} so far");
    match now.duration_ms {
        None => format!("{} · {sessions}", seconds(now.uptime_ms)),
        Some(duration) => {
            let left = match duration.saturating_sub(now.uptime_ms) {
                0 => "draining".to_owned(),
                left => format!("{} left", seconds(left.next_multiple_of(1000))),
            };
            let done = cells(now.uptime_ms, duration);
            format!("{}{} {left} · {sessions}", "█".repeat(done), "░".repeat(BAR_WIDTH - done))
        }
    }
}

fn proxy_line(before: &ProxyState, now: &ProxyState, seconds: f64, label_width: usize) -> String {
    let moved = |of: fn(&ProxyState) -> u64| of(now).saturating_sub(of(before));
    let up = moved(|proxy| proxy.bytes_to_upstream);
    let down = moved(|proxy| proxy.bytes_to_client);
    let added = |held: f64, moved: u64| if moved == 0 { 0.0 } else { held / moved as f64 };
    let added = added(now.byte_ms_to_upstream - before.byte_ms_to_upstream, up)
        + added(now.byte_ms_to_client - before.byte_ms_to_client, down);
    let label = cut(&escape_control(&now.label), label_width);
    let padding = " ".repeat(label_width.saturating_sub(label.width()));
    let state = if now.enabled { format!("{} open", now.sessions_active) } else { "disabled".to_owned() };
    let rates = format!("requests {}  responses {}", rate(up, seconds), rate(down, seconds));
    format!("{label}{padding}  {state}  {rates}  added {added:.1} ms")
}

fn fault_line(fault: &FaultState, now: u64, whole: u64) -> String {
    let state = if fault.on { "on " } else { "off" };
    let line = format!("  {state} {}: {}", escape_control(&fault.name), escape_control(&fault.description));
    if fault.windows == [(0, None)] || fault.windows.is_empty() {
        return line;
    }
    let is_on =
        |at: u64| fault.windows.iter().any(|(start, end)| *start <= at && end.is_none_or(|end| at < end));
    let here = cells(now, whole).min(BAR_WIDTH - 1);
    let cell = |cell: usize| match (cell == here, is_on(cell as u64 * whole / BAR_WIDTH as u64)) {
        (true, _) => '│',
        (false, true) => '█',
        (false, false) => '·',
    };
    let bar: String = (0..BAR_WIDTH).map(cell).collect();
    let changes = fault.windows.iter().flat_map(|(start, end)| [Some(*start), *end]).flatten();
    let next = changes.filter(|at| *at > now).min();
    let next = next.map_or_else(String::new, |at| {
        let change = if fault.on { "off" } else { "on" };
        format!(" {change} in {}", seconds((at - now).next_multiple_of(1000)))
    });
    format!("{line}  {bar}{next}")
}

/// Returns the period that schedules are drawn over: the duration of the run, or the known part of it.
fn whole(now: &State) -> u64 {
    let ends = now.proxies.iter().flat_map(|proxy| &proxy.faults).flat_map(|fault| &fault.windows);
    let last = ends.flat_map(|(start, end)| [Some(*start), *end]).flatten().max().unwrap_or(0);
    now.duration_ms.unwrap_or(last.max(now.uptime_ms) * 11 / 10).max(1)
}

/// Returns a bar that is full at `whole`.
fn cells(part: u64, whole: u64) -> usize {
    let cells = (part.saturating_mul(BAR_WIDTH as u64) / whole.max(1)).min(BAR_WIDTH as u64);
    usize::try_from(cells).unwrap_or(BAR_WIDTH)
}

fn seconds(millis: u64) -> String {
    format_duration(Duration::from_secs(millis / 1000)).to_string()
}

fn rate(bytes: u64, seconds: f64) -> String {
    let mut rate = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
    let mut units = ["B/s", "KB/s", "MB/s", "GB/s"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while rate >= 1000.0
        && let Some(next) = units.next()
    {
        rate /= 1000.0;
        unit = next;
    }
    if unit == "B/s" { format!("{rate:.0} {unit}") } else { format!("{rate:.1} {unit}") }
}

/// Shortens a text with an ellipsis.
fn cut(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = line.chars().take_while(|c| {
        let of_this = c.width().unwrap_or(0);
        let fits = of_this <= left;
        left = left.saturating_sub(of_this);
        fits
    });
    fits.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use fault_proxy_control::proxies::RecentState;
    use serde_json::Map;

    use super::*;

    fn fault(name: &str, on: bool, windows: &[(u64, Option<u64>)]) -> FaultState {
        FaultState {
            name: name.to_owned(),
            kind: "latency".to_owned(),
            stream: "downstream".to_owned(),
            toxicity: 1.0,
            attributes: Map::new(),
            description: "latency 5 ms".to_owned(),
            enabled: true,
            on,
            windows: windows.to_vec(),
            sessions: 0,
            applied: 0,
            acted: false,
            asked_ms: None,
            held_ms: None,
            late_ms: None,
            bytes_per_second: None,
            segments: 0,
            lost: 0,
            loss_share: None,
        }
    }

    fn proxy(name: &str, faults: Vec<FaultState>) -> ProxyState {
        ProxyState {
            name: name.to_owned(),
            label: format!("{name}=db:5432"),
            listen: "127.0.0.1:1".to_owned(),
            upstream: "db:5432".to_owned(),
            enabled: true,
            sessions_total: 3,
            sessions_active: 2,
            sessions_failed: 0,
            last_failure: None,
            recent: RecentState::default(),
            bytes_to_upstream: 0,
            bytes_to_client: 0,
            held_bytes: 0,
            byte_ms_to_upstream: 0.0,
            byte_ms_to_client: 0.0,
            protocol: None,
            requests: Vec::new(),
            sessions_opaque: 0,
            faults,
            sessions: Vec::new(),
        }
    }

    fn state(uptime_ms: u64, duration_ms: Option<u64>, proxies: Vec<ProxyState>) -> State {
        State { version: String::new(), uptime_ms, duration_ms, seed: 0, changes: 0, proxies }
    }

    #[test]
    fn rates_and_latencies_are_of_what_came_since() {
        let before = state(1000, None, vec![proxy("1", Vec::new())]);
        let mut after = proxy("1", Vec::new());
        (after.bytes_to_upstream, after.bytes_to_client, after.byte_ms_to_client) =
            (500, 1_500_000, 300_000_000.0);
        let lines = lines(&before, &state(1500, None, vec![after]), 120);
        assert_eq!(
            lines,
            [
                "1s · 2 sessions open, 3 so far",
                "1=db:5432  2 open  requests 1.0 KB/s  responses 3.0 MB/s  added 200.0 ms",
            ]
        );
    }

    #[test]
    fn a_schedule_is_drawn_over_the_run() {
        let faults = vec![fault("a", true, &[(0, None)]), fault("b", false, &[(12_000, Some(18_000))])];
        let now = state(6000, Some(24_000), vec![proxy("1", faults)]);
        let lines = lines(&now, &now, 120);
        assert_eq!(lines[0], "██████░░░░░░░░░░░░░░░░░░ 18s left · 2 sessions open, 3 so far");
        assert_eq!(lines[2], "  on  a: latency 5 ms");
        assert_eq!(lines[3], "  off b: latency 5 ms  ······│·····██████······ on in 6s");
        let over = state(24_000, Some(24_000), Vec::new());
        assert!(super::lines(&over, &over, 80)[0].contains("draining"));
    }

    #[test]
    fn names_cannot_control_the_terminal_and_are_as_wide_as_they_are_shown() {
        let mut evil = proxy("1", vec![fault("a\nb", true, &[(0, None)])]);
        evil.label = "\u{1b}[2J\u{7}".to_owned();
        let now = state(1000, None, vec![evil, proxy("a", Vec::new())]);
        let lines = lines(&now, &now, 120);
        let rest = "  2 open  requests 0 B/s  responses 0 B/s  added 0.0 ms";
        assert_eq!(lines[1], format!(r"\u{{1b}}[2J\u{{7}}{rest}"));
        assert_eq!(lines[2], r"  on  a\nb: latency 5 ms");
        assert_eq!(lines[3], format!("a=db:5432     {rest}"));
    }

    #[test]
    fn lines_fit_and_are_not_too_many() {
        let faults = || (0..9).map(|number| fault(&format!("fäult-{number}"), true, &[(0, None)])).collect();
        let proxies = (0..20).map(|number| proxy(&number.to_string(), faults())).collect();
        let now = state(1000, None, proxies);
        let lines = lines(&now, &now, 30);
        assert!(lines.iter().all(|line| line.width() <= 30), "{lines:#?}");
        assert_eq!(lines.len(), 1 + 8 * (1 + 4 + 1) + 1);
        assert_eq!(lines.last().map(String::as_str), Some("… and 12 more proxies"));
        assert!(lines[1].ends_with('…'));
    }
}
