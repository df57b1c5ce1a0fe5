//! Draws schedules as bars of text.

use std::time::Duration;

use fault_proxy_engine::Windows;
use unicode_width::UnicodeWidthStr;

const ON: &str = "█";
const OFF: &str = "·";

/// Draws one line per fault (its name, a bar of `width` cells, its windows as text) and a scale.
///
/// The bars end at `duration`. Without a duration they end at 1.25 times the last change, to show the state after it.
/// A window takes at least one cell. The last line does not have a line end.
pub(super) fn chart(rows: &[(&str, &Windows)], duration: Option<Duration>, width: usize) -> String {
    let scale = duration.or_else(|| beyond_last_change(rows)).filter(|scale| !scale.is_zero());
    let name_width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, windows): &(&str, &Windows)| {
        let padding = " ".repeat(name_width - name.width());
        format!("{name}{padding}  {}  {}\n", bar(windows, scale, width), in_words(windows))
    };
    let indent = " ".repeat(name_width + 2);
    let below = match scale {
        Some(scale) => format!("{indent}0 {:>1$}", time_in_words(scale), width.saturating_sub(2)),
        None => format!("{indent}always"),
    };
    rows.iter().map(line).collect::<String>() + &below
}

/// Returns 1.25 times the last change.
fn beyond_last_change(rows: &[(&str, &Windows)]) -> Option<Duration> {
    let windows = rows.iter().flat_map(|(_, windows)| windows.iter());
    let last = windows.map(|(start, end)| end.unwrap_or(start)).max()?;
    Some(last.saturating_add(last / 4))
}

fn bar(windows: &Windows, scale: Option<Duration>, width: usize) -> String {
    let Some(scale) = scale else {
        return if windows.is_on(Duration::ZERO) { ON } else { OFF }.repeat(width);
    };
    let cell = |at: Duration| {
        let cell = at.min(scale).as_nanos() * width as u128 / scale.as_nanos();
        usize::try_from(cell).expect("an instant of the scale is in the bar")
    };
    let mut is_on = vec![false; width];
    for (start, end) in windows.iter() {
        let first = cell(start);
        let after_last = end.map_or(width, cell).max(first + 1).min(width);
        is_on[first..after_last].fill(true);
    }
    is_on.into_iter().map(|is_on| if is_on { ON } else { OFF }).collect()
}

fn in_words(windows: &Windows) -> String {
    if windows.is_always() {
        return "always".to_owned();
    }
    let words = windows.iter().map(|(start, end)| {
        let end = end.map(time_in_words).unwrap_or_default();
        format!("{}–{end}", time_in_words(start))
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "never".to_owned() } else { words.join(", ") }
}

/// Formats a time: `90s`, and from two minutes on `2m5s` or `1h`. Fractions of a second are decimals.
fn time_in_words(time: Duration) -> String {
    if time.is_zero() {
        return "0s".to_owned();
    }
    let mut rest = time.as_secs();
    if rest < 120 || time.subsec_nanos() > 0 {
        return format!("{time:?}");
    }
    let mut words = String::new();
    for (unit, size) in [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= size {
            words += &format!("{}{unit}", rest / size);
        }
        rest %= size;
    }
    words
}

#[cfg(test)]
mod tests;
