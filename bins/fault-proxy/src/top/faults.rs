//! Faults as symbols, and their schedules.

use fault_proxy_control::proxies::{FaultState, State};
use fault_proxy_engine::faults::find;
use proxy_cli::terminal::escape_control;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use super::format::seconds;

const BAR_WIDTH: usize = 24;

/// Returns the symbol of a fault, and its style.
pub(super) fn symbol(fault: &FaultState, now: u64) -> (char, Style) {
    let plain = Style::new();
    if is_used_up(fault) {
        return ('■', plain.add_modifier(Modifier::DIM));
    }
    let is_to_come = fault.windows.iter().any(|(start, _)| *start > now);
    match (fault.on, fault.acted) {
        (true, true) => ('●', plain.fg(Color::Yellow)),
        (true, false) => ('◌', plain.fg(Color::Yellow)),
        (false, _) if fault.enabled && is_to_come => ('◷', plain.fg(Color::Cyan)),
        (false, _) => ('○', plain.add_modifier(Modifier::DIM)),
    }
}

fn is_used_up(fault: &FaultState) -> bool {
    fault.enabled && fault.used_up
}

/// Returns the state of a fault in words.
pub(super) fn words(fault: &FaultState, now: u64) -> String {
    if is_used_up(fault) {
        return if fault.acted { "used up" } else { "used up, never acted" }.to_owned();
    }
    let mut changes = fault.windows.iter().flat_map(|(start, end)| [Some(*start), *end]).flatten();
    let next = changes.by_ref().filter(|at| *at > now).min().filter(|_| fault.enabled);
    let next = next.map(|at| {
        let change = if fault.on { "off" } else { "on" };
        format!("{change} in {}", seconds((at - now).next_multiple_of(1000)))
    });
    let state = match (fault.on, fault.acted) {
        (true, true) => "on",
        (true, false) => "on, never acted",
        (false, _) if fault.enabled => "off",
        (false, _) => "switched off",
    };
    next.map_or_else(|| state.to_owned(), |next| format!("{state}, {next}"))
}

/// Returns the type of a fault as flags and the documentation spell it. The API also has `lose_response`.
pub(super) fn type_name(kind: &str) -> &str {
    find(kind).map_or(kind, |fault_type| fault_type.name)
}

/// Returns the name of a fault, or its type if the name follows from it.
pub(super) fn short_name<'a>(name: &'a str, kind: &'a str) -> &'a str {
    let streams = ["_upstream", "_downstream", "_both"];
    let start = streams.iter().find_map(|stream| name.strip_suffix(stream)).unwrap_or(name);
    let kind = type_name(kind);
    if type_name(start) == kind { kind } else { name }
}

/// Returns what a fault is called among the faults of its proxy.
pub(super) fn label(fault: &FaultState, all: &[FaultState]) -> String {
    let short = |fault: &FaultState| short_name(&fault.name, &fault.kind).to_owned();
    let is_unique = all.iter().filter(|other| short(other) == short(fault)).count() <= 1;
    escape_control(&if is_unique { short(fault) } else { fault.name.clone() })
}

/// Returns as many faults with their symbols as fit, and the number of the others.
pub(super) fn chips(faults: &[FaultState], now: u64, width: usize) -> Vec<Span<'static>> {
    let mut chips = Vec::new();
    let mut left = width;
    for (place, fault) in faults.iter().enumerate() {
        let others = faults.len() - place - 1;
        let (symbol, style) = symbol(fault, now);
        let space = if place == 0 { "" } else { " " };
        let chip = format!("{space}{symbol} {}", label(fault, faults));
        let reserved = if others > 0 { format!(" +{others}").width() } else { 0 };
        if chip.width() + reserved > left && (place > 0 || others > 0 && reserved + 4 > left) {
            chips.push(Span::raw(format!("{space}+{}", others + 1)));
            return chips;
        }
        let chip = super::format::cut(&chip, left.saturating_sub(reserved));
        left -= chip.width();
        chips.push(Span::styled(chip, style));
    }
    chips
}

/// Returns a chart of the schedule of a fault over the run, if it has one.
pub(super) fn schedule(fault: &FaultState, state: &State) -> Option<String> {
    if fault.windows.is_empty() || fault.windows == [(0, None)] {
        return None;
    }
    let ends = state.proxies.iter().flat_map(|proxy| &proxy.faults).flat_map(|fault| &fault.windows);
    let last = ends.flat_map(|(start, end)| [Some(*start), *end]).flatten().max().unwrap_or(0);
    // The duration of the run, or the known part of it.
    let whole = state.duration_ms.unwrap_or(last.max(state.uptime_ms) * 11 / 10).max(1);
    let is_on =
        |at: u64| fault.windows.iter().any(|(start, end)| *start <= at && end.is_none_or(|end| at < end));
    let here = (state.uptime_ms.saturating_mul(BAR_WIDTH as u64) / whole).min(BAR_WIDTH as u64 - 1);
    let cell = |cell: u64| match (cell == here, is_on(cell * whole / BAR_WIDTH as u64)) {
        (true, _) => '│',
        (false, true) => '█',
        (false, false) => '·',
    };
    Some((0..BAR_WIDTH as u64).map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fault, state};
    use super::*;

    #[test]
    fn a_fault_has_a_symbol_and_words_for_its_state() {
        let with = |change: fn(&mut FaultState)| {
            let mut fault = fault("late");
            change(&mut fault);
            (symbol(&fault, 6000).0, words(&fault, 6000))
        };
        assert_eq!(with(|fault| fault.acted = true), ('●', "on".to_owned()));
        assert_eq!(with(|_| ()), ('◌', "on, never acted".to_owned()));
        let off = |fault: &mut FaultState| (fault.on, fault.enabled) = (false, false);
        assert_eq!(with(off), ('○', "switched off".to_owned()));
        let later =
            |fault: &mut FaultState| (fault.on, fault.windows) = (false, vec![(12_000, Some(18_000))]);
        assert_eq!(with(later), ('◷', "off, on in 6s".to_owned()));
        let ends = |fault: &mut FaultState| (fault.acted, fault.windows) = (true, vec![(0, Some(7000))]);
        assert_eq!(with(ends), ('●', "on, off in 1s".to_owned()));
        let used_up = |fault: &mut FaultState| {
            (fault.acted, fault.used_up, fault.windows) = (true, true, vec![(0, Some(7000))])
        };
        assert_eq!(with(used_up), ('■', "used up".to_owned()));
        assert_eq!(with(|fault| fault.used_up = true), ('■', "used up, never acted".to_owned()));
        let off = |fault: &mut FaultState| (fault.on, fault.enabled, fault.used_up) = (false, false, true);
        assert_eq!(with(off), ('○', "switched off".to_owned()));
    }

    #[test]
    fn a_fault_has_one_name() {
        for (name, kind, expected) in [
            ("lose_response_downstream", "lose_response", "lose-response"),
            ("lose-response", "lose-response", "lose-response"),
            ("latency_both", "latency", "latency"),
            ("limit_data_upstream", "limit_data", "limit-data"),
            ("reset_peer_downstream", "reset_peer", "reset_peer"),
            ("latency_downstream", "bandwidth", "latency_downstream"),
            ("far-region", "latency", "far-region"),
        ] {
            assert_eq!(short_name(name, kind), expected, "{name}");
        }
        let two = ["latency_upstream", "latency_downstream"].map(fault);
        assert_eq!(
            (label(&two[0], &two), label(&two[0], &two[..1])),
            ("latency_upstream".to_owned(), "latency".to_owned())
        );
    }

    #[test]
    fn faults_that_do_not_fit_are_counted() {
        let faults = ["late", "loss", "reset"].map(fault);
        let text =
            |width| chips(&faults, 0, width).iter().map(|span| span.content.to_string()).collect::<String>();
        assert_eq!(text(40), "◌ late ◌ loss ◌ reset");
        assert_eq!(text(21), "◌ late ◌ loss ◌ reset");
        assert_eq!(text(20), "◌ late ◌ loss +1");
        assert_eq!(text(10), "◌ late +2");
        assert_eq!(text(8), "◌ la… +2");
        assert_eq!(text(3), "+3");
        let long = [fault("a-long-name")];
        assert_eq!(chips(&long, 0, 6)[0].content, "◌ a-l…");
    }

    #[test]
    fn a_schedule_is_drawn_over_the_run() {
        let mut late = fault("late");
        let state = state(6000, Some(24_000), Vec::new());
        assert_eq!(schedule(&late, &state), None);
        late.windows = vec![(12_000, Some(18_000))];
        assert_eq!(schedule(&late, &state).as_deref(), Some("······│·····██████······"));
    }
}
