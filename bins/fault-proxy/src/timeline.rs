//! Schedules of faults, as a chart and in the log.

mod chart;

use std::fmt;
use std::time::Duration;

use fault_proxy_control::proxies::{Proxies, Proxy};
use fault_proxy_engine::Windows;
use proxy_cli::terminal::escape_control;
use tokio::time::sleep;
use tracing::{debug, field, info};

const BAR_WIDTH: usize = 40;
/// Interval at which the log checks for changed faults.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Snapshot of the windows of all faults.
#[derive(Debug, Clone)]
pub(crate) struct Timeline(Vec<Row>);

#[derive(Debug, Clone)]
struct Row {
    name: String,
    /// The proxies that have the fault, or empty if all proxies have it.
    proxies: String,
    windows: Windows,
}

impl Row {
    /// Returns the name of the fault, followed by its proxies unless all proxies have the fault.
    fn fault(&self) -> String {
        if self.proxies.is_empty() { self.name.clone() } else { format!("{} on {}", self.name, self.proxies) }
    }
}

/// A fault that is switched on or off.
#[derive(Debug, Clone)]
struct Change {
    row: Row,
    is_on: bool,
}

impl Change {
    fn state(&self) -> &'static str {
        if self.is_on { "on" } else { "off" }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.row.fault(), self.state())
    }
}

impl Timeline {
    /// Creates the snapshot. A fault that several proxies have with the same windows gets one row.
    pub(crate) fn from_proxies(proxies: &[Proxy]) -> Self {
        let mut rows: Vec<(&str, &Windows, Vec<&str>)> = Vec::new();
        for proxy in proxies {
            for fault in proxy.faults.iter().filter_map(|record| record.fault.as_ref()) {
                match rows.iter_mut().find(|row| row.0 == fault.name && *row.1 == fault.windows) {
                    Some((.., on)) => on.push(&proxy.label),
                    None => rows.push((&fault.name, &fault.windows, vec![&proxy.label])),
                }
            }
        }
        let row = |(name, windows, on): (&str, &Windows, Vec<&str>)| {
            let is_on_all = on.len() == proxies.len();
            let proxies = if is_on_all { String::new() } else { on.join(", ") };
            Row { name: name.to_owned(), proxies, windows: windows.clone() }
        };
        Self(rows.into_iter().map(row).collect())
    }

    /// Returns one line for each fault and a scale, or `None` without faults.
    pub(crate) fn chart(&self, duration: Option<Duration>) -> Option<String> {
        let names: Vec<_> = self.0.iter().map(|row| escape_control(&row.fault())).collect();
        let rows: Vec<_> =
            names.iter().map(String::as_str).zip(self.0.iter().map(|row| &row.windows)).collect();
        (!rows.is_empty()).then(|| chart::chart(&rows, duration, BAR_WIDTH))
    }

    /// Returns the first time after `after` at which faults are switched, and these faults.
    fn next_change(&self, after: Duration) -> Option<(Duration, Vec<Change>)> {
        let next = self.0.iter().filter_map(|row| row.windows.next_change(after)).min()?;
        let rows = self.0.iter().filter(|row| row.windows.next_change(after) == Some(next));
        let change = |row: &Row| Change { row: row.clone(), is_on: row.windows.is_on(next) };
        Some((next, rows.map(change).collect()))
    }

    /// Returns the faults that are switched after `after` and until `until`.
    fn changes(&self, mut after: Duration, until: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some((next, switched)) = self.next_change(after).filter(|(next, _)| *next <= until) {
            changes.extend(switched);
            after = next;
        }
        changes
    }
}

/// Logs when faults are switched on or off, at level info with `tail` and otherwise at debug. Follows changes
/// of the faults. Never returns.
pub(crate) async fn log_changes(proxies: &Proxies, tail: bool) {
    let now = || proxies.engine().now();
    let mut logged = Duration::ZERO;
    loop {
        let look = now() + POLL_INTERVAL;
        let next = Timeline::from_proxies(&proxies.all()).next_change(logged).map(|(next, _)| next);
        let until = next.map_or(look, |next| next.min(look));
        sleep(until.saturating_sub(now())).await;
        // The faults may have changed in the meantime.
        for change in Timeline::from_proxies(&proxies.all()).changes(logged, until) {
            let Row { name: fault, proxies, .. } = &change.row;
            let proxies = Some(proxies).filter(|proxies| !proxies.is_empty()).map(field::display);
            let state = change.state();
            if tail {
                info!(%fault, proxies, state, "{change}");
            } else {
                debug!(%fault, proxies, state, "{change}");
            }
        }
        logged = until;
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy_control::proxies::{Generation, RecentState};
    use fault_proxy_control::{SessionMetrics, record};
    use fault_proxy_engine::{Engine, FaultParams, ScheduleContext, Settings};
    use fault_proxy_mapping::Upstream;

    use super::*;

    fn proxy(name: &str, faults: &[(&str, &str)]) -> Proxy {
        let fault = |(kind, schedule): &(&str, &str)| {
            let params = serde_json::json!({"type": kind, "schedule": schedule});
            let params: FaultParams = serde_json::from_value(params).unwrap();
            record(&params, params.resolve(&ScheduleContext::default()).unwrap())
        };
        Proxy {
            name: name.to_owned(),
            label: name.to_owned(),
            listen: "127.0.0.1:1".parse().unwrap(),
            upstream: "a:1".parse::<Upstream>().unwrap().into(),
            enabled: true,
            faults: faults.iter().map(fault).collect(),
            engine: Engine::new(Settings::default()).proxy(name, Vec::new()),
            watch: SessionMetrics::default(),
            recent: RecentState::default(),
            stop_generation: Generation::default(),
            client_generation: Generation::default(),
        }
    }

    #[test]
    fn a_fault_that_all_proxies_have_is_one_row() {
        let both = ("jitter", "duration:2s");
        let timeline =
            Timeline::from_proxies(&[proxy("db", &[both, ("refuse", "start:1s")]), proxy("web", &[both])]);
        let chart = timeline.chart(None).unwrap();
        for row in ["jitter ", "refuse on db "] {
            assert_eq!(chart.lines().filter(|line| line.starts_with(row)).count(), 1, "{chart}");
        }
        assert!(Timeline::from_proxies(&[proxy("web", &[])]).chart(None).is_none());
    }

    #[test]
    fn changes_come_in_order_and_once() {
        const SECOND: Duration = Duration::from_secs(1);
        let timeline = Timeline::from_proxies(&[
            proxy("db", &[("jitter", "start:1s,duration:2s"), ("refuse", "start:2s")]),
            proxy("web", &[("refuse", "duration:2s")]),
        ]);
        let changes =
            |after, until| timeline.changes(after, until).iter().map(Change::to_string).collect::<Vec<_>>();
        assert_eq!(
            changes(Duration::ZERO, 2 * SECOND),
            ["fault jitter on db: on", "fault refuse on db: on", "fault refuse on web: off"]
        );
        assert_eq!(changes(2 * SECOND, 9 * SECOND), ["fault jitter on db: off"]);
        assert!(timeline.next_change(3 * SECOND).is_none());
    }
}
