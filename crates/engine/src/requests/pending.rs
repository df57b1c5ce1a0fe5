//! Faults that will act on requests that have begun.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::Persistence;

use super::response::Response;
use super::rule::{Ending, RequestAction, RequestFault};
use crate::journal::JournalRequest;
use crate::pipeline::plan::PlanEntry;

/// A fault that acts on a request later.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) request: u64,
    /// It is a commit of PostgreSQL in a transaction, or EXEC or DISCARD of Redis.
    pub(super) ends_transaction: bool,
    pub(super) is_head: bool,
    /// Whether HTTP uses the connection again after a response of the proxy.
    pub(super) persistence: Persistence,
    pub(super) entry: Arc<PlanEntry>,
    /// End of the window of the fault in which the request began.
    pub(super) ends: Option<Duration>,
    /// The request as the journal records it, if there is one.
    pub(super) recorded: Option<Arc<JournalRequest>>,
}

impl Pending {
    pub(super) fn rule(&self) -> Option<&RequestFault> {
        self.entry.fault.effect.behavior().requests()
    }

    /// Returns true for the same fault, which may have changed, on the same request.
    pub(super) fn is(&self, other: &Self) -> bool {
        // A changed fault keeps its counters.
        self.request == other.request && Arc::ptr_eq(&self.entry.counters, &other.entry.counters)
    }

    /// Returns how the fault ends the session, if it ends it itself.
    pub(super) fn ending(&self) -> Option<Ending> {
        match self.rule()?.action {
            RequestAction::End { ending, .. } | RequestAction::LoseResponse(ending) => Some(ending),
            _ => None,
        }
    }

    /// Returns the rate of the response, if the fault limits it.
    pub(super) fn rate(&self) -> Option<f64> {
        match self.rule()?.action {
            RequestAction::Limit(rate) => Some(rate),
            _ => None,
        }
    }

    /// Returns the response of the proxy, if the fault responds to the request.
    pub(super) fn response(&self) -> Option<&Response> {
        match &self.rule()?.action {
            RequestAction::Respond(response) => Some(response),
            _ => None,
        }
    }

    /// Returns how the session ends after the response, if the fault drops the response.
    pub(super) fn lost(&self) -> Option<Ending> {
        match self.rule()?.action {
            RequestAction::LoseResponse(ending) => Some(ending),
            _ => None,
        }
    }
}

/// Faults that act on open requests later, in the order of the requests.
#[derive(Debug, Default)]
pub(super) struct PendingFaults(VecDeque<Pending>);

impl PendingFaults {
    pub(super) fn push(&mut self, pending: Pending) {
        self.0.push_back(pending);
    }

    pub(super) fn retain_mut(&mut self, is_kept: impl FnMut(&mut Pending) -> bool) {
        self.0.retain_mut(is_kept);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.0.iter()
    }

    pub(super) fn of(&self, request: u64) -> impl Iterator<Item = &Pending> {
        let first = self.0.partition_point(|pending| pending.request < request);
        self.0.range(first..).take_while(move |pending| pending.request == request)
    }

    /// Removes and returns the next one of the requests up to this one.
    pub(super) fn next_up_to(&mut self, request: u64) -> Option<Pending> {
        self.0.front().is_some_and(|pending| pending.request <= request).then(|| self.0.pop_front())?
    }

    /// Removes and returns the first one that drops a response.
    pub(super) fn take_first_lost(&mut self) -> Option<Pending> {
        let index = self.0.iter().position(|pending| pending.lost().is_some())?;
        self.0.remove(index)
    }
}
