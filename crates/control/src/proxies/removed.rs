//! Faults that have been removed, with their measurements.

use std::collections::VecDeque;
use std::time::Duration;

use fault_proxy_engine::{Fault, FaultStats};

use super::entry::Entry;
use super::{FaultRecord, FaultState, Proxies};

/// Maximum number of removed faults that are kept.
const MAX_REMOVED: usize = 1000;

/// Maximum size of the texts of all kept faults, in bytes. The parameters of a fault may be large.
const MAX_BYTES: usize = 4 << 20;

/// A fault that was removed during the run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemovedFault {
    /// Name of the proxy, which may have been deleted.
    pub proxy: String,
    /// Displayed text of the proxy.
    pub label: String,
    /// Time of the removal since the start of the run.
    pub removed_at: Duration,
    /// The fault as applied.
    pub fault: Fault,
    /// Its measurements, without the histogram.
    pub stats: FaultStats,
    /// State of the fault at its removal.
    pub state: FaultState,
}

/// The removed faults, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Removed {
    bytes: usize,
    /// The faults, each with the length of its texts.
    faults: VecDeque<(usize, RemovedFault)>,
}

impl Removed {
    fn push(&mut self, fault: RemovedFault) {
        let len =
            fault.state.name.len() + serde_json::to_vec(&fault.state.attributes).map_or(0, |json| json.len());
        self.bytes += len;
        self.faults.push_back((len, fault));
        while self.faults.len() > MAX_REMOVED || self.bytes > MAX_BYTES && self.faults.len() > 1 {
            // Faults that never acted are kept longest, because a strict run fails because of them.
            let next = self.faults.iter().position(|(_, fault)| fault.state.acted).unwrap_or(0);
            self.bytes -= self.faults.remove(next).map_or(0, |(len, _)| len);
        }
    }
}

impl Proxies {
    /// Returns the faults that were removed or whose proxy was deleted, the oldest first. At most 1,000 are
    /// kept, and faults that never acted are kept longest.
    pub fn removed_faults(&self) -> Vec<RemovedFault> {
        self.inner.removed().faults.iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// Sets the faults of a proxy, and keeps the measurements of removed ones.
    pub(super) fn set_records(&self, name: &str, entry: &mut Entry, records: Vec<FaultRecord>) {
        self.keep_removed(name, entry, &records);
        entry.set_records(records);
    }

    /// Keeps the measurements of the faults of this proxy, except of those that are also in `remaining`.
    pub(super) fn keep_removed(&self, proxy: &str, entry: &Entry, remaining: &[FaultRecord]) {
        let is_removed = |name: &str| remaining.iter().all(|record| record.name != name);
        if !entry.records.iter().any(|record| is_removed(&record.name)) {
            return;
        }
        let now = self.engine().now();
        for (fault, stats) in entry.faults.stats().into_iter().filter(|(fault, _)| is_removed(&fault.name)) {
            let Some(record) = entry.records.iter().find(|record| record.name == fault.name) else {
                continue;
            };
            let figures = (fault, stats.without_histogram());
            let state = FaultState::from_record(record.clone(), Some(&figures), now);
            let (fault, stats) = figures;
            self.inner.removed().push(RemovedFault {
                proxy: proxy.to_owned(),
                label: entry.label(proxy),
                removed_at: now,
                fault,
                stats,
                state,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::faults::Refuse;
    use fault_proxy_engine::{Engine, ScheduleContext, Settings};
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::toxic::{self, json::parse_object};

    fn removed(name: &str, acted: bool, text: &str) -> RemovedFault {
        let body = json!({"type": "reset", "name": name}).to_string();
        let body = parse_object(body.as_bytes()).expect("an object");
        let record = toxic::parse(&body, &ScheduleContext::default(), Instant::now()).expect("a fault");
        let fault = Fault::new(name, Refuse);
        let figures = Engine::new(Settings::default()).proxy("p", vec![fault]).stats().remove(0);
        let mut state = FaultState::from_record(record, Some(&figures), Duration::ZERO);
        state.acted = acted;
        state.attributes.insert("text".to_owned(), json!(text));
        let (fault, stats) = figures;
        let removed_at = Duration::ZERO;
        RemovedFault { proxy: "p".to_owned(), label: "p".to_owned(), removed_at, fault, stats, state }
    }

    fn names(removed: &Removed) -> Vec<&str> {
        removed.faults.iter().map(|(_, fault)| fault.state.name.as_str()).collect()
    }

    #[test]
    fn faults_that_never_acted_are_kept_longest() {
        let mut kept = Removed::default();
        kept.push(removed("idle", false, ""));
        (0..MAX_REMOVED + 5).for_each(|_| kept.push(removed("acted", true, "")));
        assert_eq!((kept.faults.len(), names(&kept)[0]), (MAX_REMOVED, "idle"));
        (0..MAX_REMOVED).for_each(|_| kept.push(removed("later", false, "")));
        assert_eq!((kept.faults.len(), names(&kept)[0]), (MAX_REMOVED, "later"));
    }

    #[test]
    fn large_parameters_do_not_fill_the_memory() {
        let mut kept = Removed::default();
        let text = "a".repeat(MAX_BYTES / 2);
        ["one", "two", "three"].into_iter().for_each(|name| kept.push(removed(name, true, &text)));
        assert_eq!(names(&kept), ["three"]);
        assert!(kept.bytes <= MAX_BYTES);
    }
}
