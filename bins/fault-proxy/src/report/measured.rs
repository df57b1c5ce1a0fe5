//! Measurements of proxies and faults, and verdicts on them.

use std::fmt;

use fault_proxy_control::proxies::Proxies;
use fault_proxy_engine::{Fault, FaultStats};
use fault_proxy_relay::RelayStats;
use serde::Serialize;

use crate::fidelity::NEVER_ACTED;

/// Measurements of a proxy.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredProxy {
    pub(crate) name: String,
    /// Displayed text.
    pub(crate) label: String,
    pub(crate) totals: RelayStats,
    pub(crate) faults: Vec<(Fault, FaultStats)>,
}

impl MeasuredProxy {
    /// Returns the names of the faults that never acted, each with the proxy.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (&Self, &str)> {
        let idle = self.faults.iter().filter(|(fault, figures)| !figures.has_acted(&fault.effect));
        idle.map(move |(fault, _)| (self, fault.name.as_str()))
    }
}

/// Takes the measurements of all proxies.
pub(super) fn all(proxies: &Proxies) -> Vec<MeasuredProxy> {
    let measured = proxies.all().into_iter().map(|proxy| MeasuredProxy {
        totals: proxy.watch.live().stats(),
        faults: proxy.engine.stats(),
        name: proxy.name,
        label: proxy.label,
    });
    measured.collect()
}

/// Verdict on a condition.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    /// Text of the condition.
    pub(crate) condition: String,
    /// Name of the proxy that was measured. `None` for all together, and if the proxy or the fault has been removed.
    pub(crate) proxy: Option<String>,
    #[serde(skip)]
    pub(crate) label: Option<String>,
    #[serde(rename = "met")]
    pub(crate) is_met: bool,
    /// Measured value, if there is one.
    pub(crate) value: Option<f64>,
    /// Unit of the value.
    pub(crate) unit: &'static str,
    /// Measured value with its unit, or the reason why it is missing.
    pub(crate) measured: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.measured)?;
        self.label.iter().try_for_each(|label| write!(f, " on {label}"))
    }
}

/// Returns the verdicts of `--strict`: one for each fault.
pub(super) fn acted(proxy: &MeasuredProxy) -> impl Iterator<Item = Verdict> {
    proxy.faults.iter().map(|(fault, figures)| {
        let is_met = figures.has_acted(&fault.effect);
        let measured = if is_met { "the fault acted" } else { &format!("the fault {NEVER_ACTED}") };
        Verdict {
            condition: format!("--strict {}", fault.name),
            proxy: Some(proxy.name.clone()),
            label: Some(proxy.label.clone()),
            is_met,
            value: Some(figures.applied(&fault.effect) as f64),
            unit: "count",
            measured: measured.to_owned(),
        }
    })
}
