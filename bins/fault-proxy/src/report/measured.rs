//! Measurements of proxies and faults, and verdicts on them.

use std::collections::HashMap;
use std::fmt;

use fault_proxy_control::proxies::{Proxies, RemovedFault};
use fault_proxy_engine::{Fault, FaultStats, RequestStats};
use fault_proxy_relay::RelayStats;
use proxy_cli::terminal::{escape_control, print_line};
use serde::Serialize;
use tracing::{error, info};

use crate::fidelity::NEVER_ACTED;

/// Measurements of a proxy.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredProxy {
    pub(crate) name: String,
    /// Displayed text.
    pub(crate) label: String,
    pub(crate) totals: RelayStats,
    pub(crate) faults: Vec<(Fault, FaultStats)>,
    /// Counts of each kind of request.
    pub(crate) requests: Vec<RequestStats>,
    /// Sessions that may have had requests that could not be read.
    pub(crate) unread: u64,
}

impl MeasuredProxy {
    /// Returns the names of the faults that never acted, each with the proxy.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (&Self, &str)> {
        let idle = self.faults.iter().filter(|(fault, figures)| !figures.has_acted(&fault.effect));
        idle.map(move |(fault, _)| (self, fault.name.as_str()))
    }

    /// Returns the kinds of requests with unconfirmed requests, each with the proxy.
    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = (&Self, &RequestStats)> {
        let unconfirmed = self.requests.iter().filter(|stats| stats.unconfirmed > 0);
        unconfirmed.map(move |stats| (self, stats))
    }
}

/// Takes the measurements of all proxies.
pub(super) fn all(proxies: &Proxies) -> Vec<MeasuredProxy> {
    let measured = proxies.all().into_iter().map(|proxy| MeasuredProxy {
        totals: proxy.watch.live().stats(),
        faults: proxy.engine.stats(),
        requests: proxy.engine.request_stats(),
        unread: proxy.engine.unread_sessions(),
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

impl Verdict {
    /// Prints the verdict to stderr, as a record if the log there is JSON.
    pub(crate) fn print(&self) {
        let Self { condition, proxy, value, unit, measured, .. } = self;
        let (proxy, met) = (proxy.as_deref(), self.is_met);
        let result = if met { "as expected" } else { "not as expected" };
        let line = format!("{result}: {}", escape_control(&self.to_string()));
        print_line("fault-proxy", line, || {
            if met {
                info!(condition, proxy, met, value, unit, measured, "{result}");
            } else {
                error!(condition, proxy, met, value, unit, measured, "{result}");
            }
        });
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.measured)?;
        self.label.iter().try_for_each(|label| write!(f, " on {label}"))
    }
}

/// Faults of one name on one proxy: the one that it has at the end of the run, and those that were removed before.
#[derive(Debug)]
pub(super) struct NamedFault<'a> {
    proxy: &'a str,
    pub(super) label: &'a str,
    pub(super) name: &'a str,
    applied: u64,
    is_idle: bool,
    /// Number of those that were removed before they acted.
    pub(super) removed_idle: usize,
}

impl<'a> NamedFault<'a> {
    /// Returns the faults of all proxies, then those whose names only removed faults have.
    pub(super) fn all(proxies: &'a [MeasuredProxy], removed: &'a [RemovedFault]) -> Vec<Self> {
        let of_proxy = |proxy: &'a MeasuredProxy| {
            proxy.faults.iter().map(|(fault, figures)| Self {
                proxy: &proxy.name,
                label: &proxy.label,
                name: &fault.name,
                applied: figures.applied(&fault.effect),
                is_idle: !figures.has_acted(&fault.effect),
                removed_idle: 0,
            })
        };
        let mut all: Vec<_> = proxies.iter().flat_map(of_proxy).collect();
        let mut places: HashMap<_, _> =
            all.iter().enumerate().map(|(place, fault)| ((fault.proxy, fault.name), place)).collect();
        for RemovedFault { proxy, label, state, .. } in removed {
            let place = *places.entry((proxy, &state.name)).or_insert_with(|| {
                let (name, applied, removed_idle) = (&state.name, 0, 0);
                all.push(Self { proxy, label, name, applied, is_idle: false, removed_idle });
                all.len() - 1
            });
            all[place].applied += state.applied;
            all[place].removed_idle += usize::from(!state.acted);
        }
        all
    }

    /// Returns the verdict of `--strict`.
    pub(super) fn acted(&self) -> Verdict {
        let measured = match (self.is_idle, self.removed_idle) {
            (true, _) => format!("the fault {NEVER_ACTED}"),
            (false, 0) => "the fault acted".to_owned(),
            (false, 1) => format!("the fault {NEVER_ACTED} before it was removed"),
            (false, times) => format!("the fault {NEVER_ACTED} before it was removed, {times} times"),
        };
        Verdict {
            condition: format!("--strict {}", self.name),
            proxy: Some(self.proxy.to_owned()),
            label: Some(self.label.to_owned()),
            is_met: !self.is_idle && self.removed_idle == 0,
            value: Some(self.applied as f64),
            unit: "count",
            measured,
        }
    }
}
