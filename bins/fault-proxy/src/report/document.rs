//! Report of `--report`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fault_proxy_control::proxies::{Change, FaultState, Proxies, ProxyState, RemovedFault, RequestsState};
use serde::Serialize;

use super::junit::Suite;
use super::measured::{MeasuredProxy, Verdict};
use crate::fidelity::achieved;

/// Version of the format. A new member does not change it.
pub(crate) const FORMAT: u32 = 1;

/// Report of a run. `docs/report.schema.json` describes it.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    report: u32,
    version: &'static str,
    /// Since 1970-01-01 UTC.
    pub(super) started_unix_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) seed: u64,
    /// Whether all conditions are met.
    pub(super) passed: bool,
    pub(super) proxies: Vec<ProxyReport>,
    removed_faults: Vec<RemovedFaultReport>,
    pub(super) expectations: Vec<Verdict>,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
pub(super) struct ProxyReport {
    name: String,
    pub(super) label: String,
    listen: String,
    upstream: String,
    enabled: bool,
    pub(super) sessions: u64,
    /// Ended sessions by how they ended.
    pub(super) ends: BTreeMap<&'static str, u64>,
    /// Sessions that failed or were not opened, by reason. Reasons without a session are left out.
    errors: BTreeMap<&'static str, u64>,
    pub(super) bytes_to_upstream: u64,
    pub(super) bytes_to_client: u64,
    protocol: Option<String>,
    /// Counts of each kind of request.
    pub(super) requests: Vec<RequestsState>,
    sessions_opaque: u64,
    pub(super) faults: Vec<FaultReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct FaultReport {
    #[serde(flatten)]
    pub(super) state: FaultState,
    /// Measurement, as in the table at the end of the run.
    pub(super) achieved: String,
}

#[derive(Debug, Serialize)]
struct RemovedFaultReport {
    proxy: String,
    /// Since the start of the run.
    removed_at_ms: u64,
    fault: FaultReport,
}

impl RunReport {
    /// Returns the verdicts for JUnit.
    pub(super) fn suite(&self) -> Suite<'_> {
        let proxies = match &self.proxies[..] {
            [proxy] => proxy.label.clone(),
            _ => "all proxies".to_owned(),
        };
        Suite { duration_ms: self.duration_ms, seed: self.seed, verdicts: &self.expectations, proxies }
    }

    pub(super) fn new(
        proxies: &Proxies,
        measured: &[MeasuredProxy],
        removed: &[RemovedFault],
        expectations: Vec<Verdict>,
    ) -> Self {
        let state = proxies.state();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = now.saturating_sub(Duration::from_millis(state.uptime_ms));
        Self {
            report: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            duration_ms: state.uptime_ms,
            seed: state.seed,
            passed: expectations.iter().all(|verdict| verdict.is_met),
            proxies: state.proxies.into_iter().zip(measured).map(ProxyReport::new).collect(),
            removed_faults: removed.iter().map(RemovedFaultReport::new).collect(),
            expectations,
            changes: proxies.changes(),
        }
    }
}

impl RemovedFaultReport {
    fn new(removed: &RemovedFault) -> Self {
        let achieved = achieved(&removed.fault, &removed.stats);
        Self {
            proxy: removed.proxy.clone(),
            removed_at_ms: u64::try_from(removed.removed_at.as_millis()).unwrap_or(u64::MAX),
            fault: FaultReport { state: removed.state.clone(), achieved },
        }
    }
}

impl ProxyReport {
    fn new((state, measured): (ProxyState, &MeasuredProxy)) -> Self {
        let ends = measured.totals.ends;
        let fault = |state: FaultState| {
            let figures = measured.faults.iter().find(|(fault, _)| fault.name == state.name);
            let achieved = figures.map_or_else(String::new, |(fault, figures)| achieved(fault, figures));
            FaultReport { state, achieved }
        };
        Self {
            name: state.name,
            label: state.label,
            listen: state.listen,
            upstream: state.upstream,
            enabled: state.enabled,
            sessions: state.sessions_total,
            ends: ends.by_end().collect(),
            errors: ends.by_reason().filter(|(_, count)| *count > 0).collect(),
            bytes_to_upstream: state.bytes_to_upstream,
            bytes_to_client: state.bytes_to_client,
            protocol: state.protocol,
            requests: state.requests,
            sessions_opaque: state.sessions_opaque,
            faults: state.faults.into_iter().map(fault).collect(),
        }
    }
}
