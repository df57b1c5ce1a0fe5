//! Columns of the overview, as many as fit.

use fault_proxy_control::proxies::{ProxyState, Sample};
use proxy_cli::terminal::escape_control;
use ratatui::style::{Style, Stylize};
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use super::faults::chips;
use super::format::{bytes, millis, sparkline};
use super::order::Key;

/// Spaces between two columns.
const GAP: usize = 2;

/// Width of a chart of the last minute.
const TREND: usize = 60;

/// A column, in the order on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Name,
    Route,
    Sessions,
    Failed,
    Requests,
    Responses,
    P50,
    P99,
    Trend,
    Faults,
}

/// Columns in the order in which they get room.
const BY_IMPORTANCE: [Column; 10] = [
    Column::Name,
    Column::Faults,
    Column::Failed,
    Column::Sessions,
    Column::Responses,
    Column::Requests,
    Column::P99,
    Column::P50,
    Column::Trend,
    Column::Route,
];

/// A column with its width.
pub(super) type Placed = (Column, usize);

/// Selects the columns that fit in this width, and their widths.
pub(super) fn fitting(proxies: &[&ProxyState], width: usize) -> Vec<Placed> {
    let mut left = width;
    let mut placed: Vec<(Column, usize, usize)> = Vec::new();
    for column in BY_IMPORTANCE {
        let full = proxies.iter().map(|proxy| column.full(proxy)).max().unwrap_or(0);
        let full = full.max(column.title().width());
        let gap = if placed.is_empty() { 0 } else { GAP };
        let min = match column.min(full) {
            // A reason is shown as a whole or not at all.
            _ if column == Column::Failed && full + gap <= left => full,
            min => min,
        };
        if min + gap > left && !placed.is_empty() {
            break;
        }
        placed.push((column, min.min(left), full));
        left = left.saturating_sub(min + gap);
    }
    // The rest goes to those that are cut, in the same order, and then to the chart.
    for is_chart in [false, true] {
        for (_, width, full) in
            placed.iter_mut().filter(|(column, ..)| (*column == Column::Trend) == is_chart)
        {
            let more = full.saturating_sub(*width).min(left);
            *width += more;
            left -= more;
        }
    }
    placed.sort();
    placed.into_iter().map(|(column, width, _)| (column, width)).collect()
}

impl Column {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Name => "PROXY",
            Self::Route => "ROUTE",
            Self::Sessions => "OPEN/ALL",
            Self::Failed => "FAILED",
            Self::Requests => "REQ B/s",
            Self::Responses => "RESP B/s",
            Self::P50 => "P50",
            Self::P99 => "P99",
            Self::Trend => "TREND",
            Self::Faults => "FAULTS",
        }
    }

    /// Returns true if the title is above the end of the cells. The last bar of a chart is on the right.
    pub(super) fn is_title_right(self) -> bool {
        self.is_number() || self == Self::Trend
    }

    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Sessions | Self::Failed | Self::Requests | Self::Responses | Self::P50 | Self::P99
        )
    }

    /// Returns true if the proxies are sorted by this column.
    pub(super) fn is_sorted_by(self, key: Key) -> bool {
        match key {
            Key::Name => self == Self::Name,
            Key::Failed => self == Self::Failed,
            Key::Sessions => self == Self::Sessions,
            Key::Rate => matches!(self, Self::Requests | Self::Responses),
            Key::Latency => self == Self::P99,
        }
    }

    /// Returns the width without which the column is left out. `full` is that of its widest cell.
    fn min(self, full: usize) -> usize {
        match self {
            Self::Name => full.min(20),
            Self::Route => full.min(24),
            Self::Failed => 6,
            Self::Requests | Self::Responses => self.title().width(),
            Self::P50 | Self::P99 => 6,
            Self::Trend => 12,
            Self::Faults => full.min(14),
            Self::Sessions => full,
        }
    }

    /// Returns the width of the whole cell.
    fn full(self, proxy: &ProxyState) -> usize {
        match self {
            Self::Trend => TREND,
            Self::Faults => self.cell(proxy, &[], 0, usize::MAX).iter().map(Span::width).sum(),
            _ => self.cell(proxy, &[], 0, 80).iter().map(Span::width).sum(),
        }
    }

    /// Returns the cell of a proxy for this width.
    pub(super) fn cell(
        self,
        proxy: &ProxyState,
        samples: &[Sample],
        now: u64,
        width: usize,
    ) -> Vec<Span<'static>> {
        let recent = &proxy.recent;
        let plain = |text: String| vec![Span::raw(text)];
        // A figure of 0 does not draw attention.
        let figure =
            |text: String, value: f64| vec![if value > 0.0 { Span::raw(text) } else { Span::raw("-").dim() }];
        let latency = |time: Option<f64>| figure(time.map(millis).unwrap_or_default(), time.unwrap_or(0.0));
        match self {
            Self::Name => vec![Span::raw(escape_control(&proxy.name)).bold()],
            Self::Route => plain(route(proxy)),
            Self::Sessions if !proxy.enabled => vec![Span::raw("disabled").dim()],
            Self::Sessions => plain(format!("{}/{}", proxy.sessions_active, proxy.sessions_total)),
            Self::Failed if proxy.sessions_failed == 0 => vec![Span::raw("-").dim()],
            Self::Failed => {
                let count = proxy.sessions_failed.to_string();
                let reason = proxy.last_failure.as_ref();
                let text = reason.map(|failure| format!("{} {count}", escape_control(&failure.reason)));
                let text = text.filter(|text| text.width() <= width).unwrap_or(count);
                vec![Span::styled(text, Style::new().red())]
            }
            Self::Requests => {
                let rate = recent.bytes_per_second_to_upstream;
                figure(bytes(rate), rate)
            }
            Self::Responses => {
                let rate = recent.bytes_per_second_to_client;
                figure(bytes(rate), rate)
            }
            Self::P50 => latency(recent.latency_ms.map(|latency| latency.p50)),
            Self::P99 => latency(recent.latency_ms.map(|latency| latency.p99)),
            Self::Trend => {
                let moved = |sample: &Sample| (sample.bytes_to_upstream + sample.bytes_to_client) as f64;
                let values: Vec<_> = samples.iter().map(moved).collect();
                vec![Span::raw(sparkline(&values, width)).cyan()]
            }
            Self::Faults => chips(&proxy.faults, now, width),
        }
    }
}

/// Returns where a proxy listens, and its upstream.
pub(super) fn route(proxy: &ProxyState) -> String {
    let listen = proxy.listen.strip_prefix("127.0.0.1").unwrap_or(&proxy.listen);
    format!("{} → {}", escape_control(listen), escape_control(&proxy.upstream))
}
