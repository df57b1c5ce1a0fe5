//! The faults of a proxy as its sessions share them.

use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::direction::{Direction, Scope};
use crate::effect::{Fault, Measured, Place};
use crate::stats::Stats;

/// In the order in which they act on a flow.
pub(crate) type Plan = Arc<[Arc<Entry>]>;

/// A fault, and what its sessions have in common.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) fault: Fault,
    /// The name of the fault, as its decisions share it.
    pub(crate) name: Arc<str>,
    pub(crate) stats: Arc<Stats>,
    /// When it became part of the plan.
    pub(crate) added: Duration,
    buckets: Option<Arc<Buckets>>,
}

/// One for each direction.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    to_upstream: Arc<Bucket>,
    to_downstream: Arc<Bucket>,
}

impl Entry {
    /// The bucket that the fault's bandwidth in `direction` comes out of.
    pub(crate) fn bucket(&self, direction: Direction) -> Arc<Bucket> {
        match (&self.buckets, direction) {
            (None, _) => Arc::default(),
            (Some(buckets), Direction::ToUpstream) => Arc::clone(&buckets.to_upstream),
            (Some(buckets), Direction::ToDownstream) => Arc::clone(&buckets.to_downstream),
        }
    }

    /// Where it acts.
    pub(crate) fn place(&self) -> Place {
        self.fault.effect.behavior().place()
    }

    /// Whether it acts on the flow in `direction` at all.
    pub(crate) fn acts_on(&self, direction: Direction) -> bool {
        self.place() != Place::Opening && self.fault.flows.contains(direction)
    }
}

/// The plan that follows `current`: what has not changed stays the same entry, what has changed keeps its statistics.
///
/// `common` gives the buckets that all faults of a name share.
pub(crate) fn next(
    current: &[Arc<Entry>],
    faults: Vec<Fault>,
    now: Duration,
    mut common: impl FnMut(&str) -> Arc<Buckets>,
) -> Plan {
    let mut entries: Vec<_> = faults
        .into_iter()
        .map(|fault| {
            let before = current.iter().find(|entry| entry.fault.name == fault.name);
            if let Some(entry) = before.filter(|entry| entry.fault == fault) {
                return Arc::clone(entry);
            }
            let buckets = match fault.effect.behavior().scope() {
                Scope::Session => None,
                Scope::Proxy => Some(Arc::default()),
                Scope::All => Some(common(&fault.name)),
            };
            let stats = before.map_or_else(|| Arc::new(Stats::new()), |entry| Arc::clone(&entry.stats));
            if before.is_some_and(|entry| rate(&entry.fault) != rate(&fault)) {
                stats.restart_rate();
            }
            let name = fault.name.as_str().into();
            Arc::new(Entry { fault, name, stats, added: now, buckets })
        })
        .collect();
    entries.sort_by_key(|entry| entry.place());
    entries.into()
}

/// The rate that was asked for.
fn rate(fault: &Fault) -> Option<f64> {
    match fault.effect.measured() {
        Measured::Rate(rate) => Some(rate),
        _ => None,
    }
}
