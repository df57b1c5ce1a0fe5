//! The faults of a proxy, in the form that its sessions share.

use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Protocol, Selector};

use crate::direction::{Direction, Scope};
use crate::effect::{Fault, Measured, Opening, Place};
use crate::selection::SessionSelector;
use crate::stats::FaultCounters;
use crate::token_bucket::TokenBucket;

/// Faults of a proxy in the order in which they act on a flow.
pub(crate) type Plan = Arc<[Arc<PlanEntry>]>;

/// A fault, and the state that all sessions share for it.
#[derive(Debug)]
pub(crate) struct PlanEntry {
    pub(crate) fault: Fault,
    /// Name of the fault, shared with its journal entries.
    pub(crate) name: Arc<str>,
    pub(crate) counters: Arc<FaultCounters>,
    /// Time at which the fault was added to the plan.
    pub(crate) added: Duration,
    /// Counts the sessions, or the requests, if the fault selects them by their order.
    pub(crate) selector: Option<Arc<SessionSelector>>,
    buckets: Option<Arc<Buckets>>,
    /// Protocol of the sessions.
    protocol: Option<Protocol>,
    /// Requests that the fault acts on, if it acts on requests of this protocol.
    pub(crate) on: Option<Selector>,
}

/// A bucket for each [`Direction`].
pub(crate) type Buckets = [Arc<TokenBucket>; 2];

impl PlanEntry {
    /// Returns the bucket of the fault for `direction`.
    pub(crate) fn bucket(&self, direction: Direction) -> Arc<TokenBucket> {
        self.buckets.as_ref().map_or_else(Arc::default, |buckets| Arc::clone(&buckets[direction as usize]))
    }

    /// Returns true if the fault may leave out sessions.
    pub(crate) fn is_selective(&self) -> bool {
        self.fault.probability < 1.0 || self.selector.is_some()
    }

    /// Returns true if the fault refuses every client at this time.
    pub(crate) fn refuses_all(&self, now: Duration) -> bool {
        self.fault.effect.behavior().opening() == Some(Opening::Refuse)
            && !self.is_selective()
            && self.fault.windows.is_on(now)
    }

    /// Returns the place at which the fault acts.
    pub(crate) fn place(&self) -> Place {
        self.fault.effect.behavior().place()
    }

    /// Returns true if the fault acts on the flow in `direction`.
    pub(crate) fn acts_on(&self, direction: Direction) -> bool {
        !matches!(self.place(), Place::Opening | Place::Requests) && self.fault.directions.contains(direction)
    }
}

/// Returns the plan that follows `current`. Unchanged faults keep their entry. Changed faults keep their
/// statistics, and their count of sessions unless their selection has changed.
///
/// `common` returns the buckets that all faults of a name share.
pub(crate) fn next(
    current: &[Arc<PlanEntry>],
    faults: Vec<Fault>,
    protocol: Option<Protocol>,
    now: Duration,
    mut common: impl FnMut(&str) -> Arc<Buckets>,
) -> Plan {
    let mut entries: Vec<_> = faults
        .into_iter()
        .map(|fault| {
            let before = current.iter().find(|entry| entry.fault.name == fault.name);
            if let Some(entry) = before.filter(|entry| entry.fault == fault && entry.protocol == protocol) {
                return Arc::clone(entry);
            }
            let buckets = match fault.effect.behavior().scope() {
                Scope::Session => None,
                Scope::Proxy => Some(Arc::default()),
                Scope::All => Some(common(&fault.name)),
            };
            let stats =
                before.map_or_else(|| Arc::new(FaultCounters::new()), |entry| Arc::clone(&entry.counters));
            if before.is_some_and(|entry| rate(&entry.fault) != rate(&fault)) {
                stats.restart_rate();
            }
            let selector = (!fault.selection.is_all()).then(|| {
                let before = before.and_then(|entry| entry.selector.clone());
                let before = before.filter(|selector| selector.selection == fault.selection);
                before.unwrap_or_else(|| Arc::new(SessionSelector::new(fault.selection)))
            });
            let name = fault.name.as_str().into();
            let on = fault.effect.behavior().requests().and_then(|requests| {
                // `Fault::check_protocol` has already refused invalid texts.
                Selector::parse(protocol?, &requests.on).ok()
            });
            Arc::new(PlanEntry { fault, name, counters: stats, added: now, selector, buckets, protocol, on })
        })
        .collect();
    entries.sort_by_key(|entry| entry.place());
    entries.into()
}

/// Returns the requested rate.
fn rate(fault: &Fault) -> Option<f64> {
    match fault.effect.measured() {
        Measured::Rate(rate) => Some(rate),
        _ => None,
    }
}
