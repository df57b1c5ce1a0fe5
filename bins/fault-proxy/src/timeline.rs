//! When faults are on: as a chart, and in the log.

use std::future::pending;
use std::time::Duration;

use proxy_fault::Windows;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use crate::config::{GivenFault, ProxySettings};

const BAR_WIDTH: usize = 40;

/// The windows of all faults.
#[derive(Debug, Clone)]
pub(crate) struct Timeline(Vec<Row>);

#[derive(Debug, Clone)]
struct Row {
    /// Its name, and that of its proxies unless it is on all of them.
    fault: String,
    windows: Windows,
}

impl Timeline {
    /// A fault that several proxies have in the same windows is one row.
    pub(crate) fn of(proxies: &[ProxySettings]) -> Self {
        let mut rows: Vec<(&str, &Windows, Vec<&str>)> = Vec::new();
        for proxy in proxies {
            for GivenFault { fault, .. } in &proxy.faults {
                match rows.iter_mut().find(|row| row.0 == fault.name && *row.1 == fault.windows) {
                    Some((.., on)) => on.push(&proxy.label),
                    None => rows.push((&fault.name, &fault.windows, vec![&proxy.label])),
                }
            }
        }
        let row = |(name, windows, on): (&str, &Windows, Vec<&str>)| {
            let is_on_all = on.len() == proxies.len();
            let fault = if is_on_all { name.to_owned() } else { format!("{name} on {}", on.join(", ")) };
            Row { fault, windows: windows.clone() }
        };
        Self(rows.into_iter().map(row).collect())
    }

    /// One line a fault and a scale; `None` if there are no faults.
    pub(crate) fn chart(&self, duration: Option<Duration>) -> Option<String> {
        let rows: Vec<_> = self.0.iter().map(|row| (row.fault.as_str(), &row.windows)).collect();
        (!rows.is_empty()).then(|| proxy_fault::chart(&rows, duration, BAR_WIDTH))
    }

    /// Logs each change as it comes: as information if `tail`, else for debugging. Never ends.
    pub(crate) async fn log_changes(&self, started: Instant, tail: bool) {
        let mut now = Duration::ZERO;
        while let Some(next) = self.0.iter().filter_map(|row| row.windows.next_change(now)).min() {
            let Some(at) = started.checked_add(next) else { break };
            sleep_until(at).await;
            for row in self.0.iter().filter(|row| row.windows.next_change(now) == Some(next)) {
                let state = if row.windows.is_on(next) { "on" } else { "off" };
                if tail {
                    info!("fault {}: {state}", row.fault);
                } else {
                    debug!("fault {}: {state}", row.fault);
                }
            }
            now = next;
        }
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use proxy_fault::{FaultParams, Kind, Reading, Run};

    use super::*;

    fn proxy(name: &str, faults: &[(Kind, &str)]) -> ProxySettings {
        let run = Run { duration: None, reading: Reading::Usual };
        let fault = |(kind, schedule): &(Kind, &str)| {
            let schedule = Some((*schedule).to_owned());
            let params = FaultParams { kind: Some(*kind), schedule, ..FaultParams::default() };
            GivenFault { fault: params.resolve(&run).unwrap(), params }
        };
        let mapping = "1=a:1".parse().unwrap();
        ProxySettings {
            name: name.to_owned(),
            label: name.to_owned(),
            mapping,
            faults: faults.iter().map(fault).collect(),
        }
    }

    #[test]
    fn a_fault_that_all_proxies_have_is_one_row() {
        let both = (Kind::Jitter, "duration:2s");
        let timeline =
            Timeline::of(&[proxy("db", &[both, (Kind::Refuse, "start:1s")]), proxy("web", &[both])]);
        let chart = timeline.chart(None).unwrap();
        for row in ["jitter ", "refuse on db "] {
            assert_eq!(chart.lines().filter(|line| line.starts_with(row)).count(), 1, "{chart}");
        }
        assert!(Timeline::of(&[proxy("web", &[])]).chart(None).is_none());
    }
}
