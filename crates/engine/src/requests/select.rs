//! The requests that faults act on.

use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Persistence, Request, Selector, TransactionStatus};
use rand::RngExt;

use super::pending::Pending;
use super::rule::{Moment, RequestAction, RequestFault};
use super::state::State;
use crate::direction::Direction;
use crate::journal::{Decision, JournalRequest};
use crate::pipeline::plan::PlanEntry;

impl State {
    /// A request begins at the offset.
    #[inline(never)]
    pub(super) fn begin(&mut self, now: Duration, offset: u64, request: &Request<'_>) {
        let kinds = self.open.begin(&self.proxy.requests, now, request);
        self.in_group += 1;
        if self.classified != self.open.kinds() {
            self.classify_kinds();
        }
        if self.acting.as_ref().is_some_and(|acting| acting.responding.is_some()) {
            // The request is in a group of messages that fails before it, and is dropped with its rest.
            self.open.replace(request.number);
            return;
        }
        // Nearly all requests are of kinds that no fault selects.
        if kinds & !self.unselected != 0 {
            self.select_faults(now, offset, request, |_, on| on.matches(request));
        }
        if self.holds_requests {
            self.foresee_status(request);
        }
    }

    /// Finds out which kinds no fault of the plan selects.
    #[cold]
    fn classify_kinds(&mut self) {
        let selectors = || self.plan.iter().filter_map(|entry| entry.on.as_ref());
        self.unselected = self.open.kinds_where(|kind| !selectors().any(|on| on.may_select(kind)));
        self.classified = self.open.kinds();
    }

    /// Sets the status of PostgreSQL behind a request that the server has not executed yet.
    ///
    /// Few requests need this function and [`select_faults`](Self::select_faults). They are not inlined, so that other requests are fast.
    #[inline(never)]
    fn foresee_status(&mut self, request: &Request<'_>) {
        use TransactionStatus::{Failed, Idle, InTransaction};
        let has = |kind: &str| request.kinds.contains(&kind);
        let responding = self.acting.as_ref().and_then(|acting| {
            let mut pending = acting.pending.of(request.number);
            pending.find(|pending| responds(&pending.entry)).map(|pending| pending.ends_transaction)
        });
        let ends = has("commit") || has("rollback");
        self.status = match (responding, has("begin"), self.status) {
            (Some(true), ..) => Some(Idle),
            // The statement that replaces it fails.
            (Some(false), _, Some(InTransaction)) => Some(Failed),
            (Some(false), _, status) => status,
            // Their order is not known.
            (None, true, _) if ends => None,
            (None, true, _) => Some(InTransaction),
            (None, false, Some(InTransaction | Failed)) if ends && chains(request.key) => Some(InTransaction),
            (None, false, None) if ends && chains(request.key) => None,
            (None, false, _) if ends => Some(Idle),
            (None, false, status) => status,
        };
    }

    /// Further kinds of a request are known, whose begin may have been forwarded.
    pub(super) fn find_kinds(&mut self, now: Duration, offset: u64, request: &Request<'_>) {
        self.open.add_kinds(&self.proxy.requests, request.number, request.kinds);
        if request.kinds.iter().any(|kind| ["begin", "commit", "rollback"].contains(kind)) {
            self.status = None;
        }
        if self.acting.as_ref().is_some_and(|acting| acting.responding.is_some()) {
            return;
        }
        self.select_faults(now, offset, request, |rule, on| {
            rule.at != Moment::BeforeForward && on.matches_kind(request.kinds)
        });
    }

    /// Lets the faults of the plan act on a request that are meant to.
    #[inline(never)]
    fn select_faults(
        &mut self,
        now: Duration,
        offset: u64,
        request: &Request<'_>,
        is_meant: impl Fn(&RequestFault, &Selector) -> bool,
    ) {
        let mut is_answered = false;
        for index in 0..self.plan.len() {
            let entry = &self.plan[index];
            let (Some(on), Some(rule)) = (&entry.on, entry.fault.effect.behavior().requests()) else {
                continue;
            };
            let is_meant = is_meant(rule, on);
            if is_answered && responds(entry) {
                continue;
            }
            if !is_meant || !entry.fault.windows.is_on(now) {
                continue;
            }
            let entry = &Arc::clone(entry);
            let recorded =
                self.context.has_journal.then(|| Arc::new(JournalRequest::new(self.protocol, request)));
            let is_of_kind = |kind: &str| request.kinds.iter().any(|other| other.eq_ignore_ascii_case(kind));
            // A COMMIT ends a transaction that has failed too.
            let is_in_transaction = self.status.is_some_and(|status| status != TransactionStatus::Idle);
            let pending = Pending {
                request: request.number,
                ends_transaction: is_of_kind("commit") && is_in_transaction
                    || ["EXEC", "DISCARD"].into_iter().any(is_of_kind),
                is_head: is_of_kind("HEAD"),
                persistence: Persistence::default(),
                entry: Arc::clone(entry),
                ends: entry.fault.windows.next_change(now),
                recorded,
            };
            if self.select(now, offset, &pending) {
                is_answered |= responds(entry);
                let acting = self.acting();
                acting.window_end = acting.window_end.into_iter().chain(pending.ends).min();
                acting.pending.push(pending);
            }
        }
    }

    /// Counts a request for a fault. Returns whether the fault acts on it.
    fn select(&mut self, now: Duration, offset: u64, pending: &Pending) -> bool {
        let entry = &pending.entry;
        let probability = entry.fault.probability;
        let is_drawn = || {
            let key = self.context.key(None, &entry.fault.name);
            probability >= 1.0 || key.at(pending.request).random::<f64>() < probability
        };
        let applies = entry.selector.as_ref().map_or_else(is_drawn, |selector| selector.select(is_drawn));
        if entry.is_selective() {
            self.record(Direction::ToUpstream, now, offset, pending, Decision::Applies { applies });
        }
        let counted = if applies { &mut self.acting().counted } else { return false };
        if !counted.iter().any(|other| Arc::ptr_eq(&other.counters, &entry.counters)) {
            entry.counters.record_session();
            counted.push(Arc::clone(entry));
        }
        applies
    }
}

/// Returns true if the last statement of a text, which is COMMIT or ROLLBACK, starts another transaction.
fn chains(text: &[u8]) -> bool {
    const CHAIN: &[u8] = b"and chain";
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | b';')).map_or(0, |last| last + 1);
    let last = end.checked_sub(CHAIN.len()).map(|begin| &text[begin..end]);
    last.is_some_and(|last| last.eq_ignore_ascii_case(CHAIN))
}

fn responds(entry: &PlanEntry) -> bool {
    let rule = entry.fault.effect.behavior().requests();
    rule.is_some_and(|rule| matches!(rule.action, RequestAction::Respond(_)))
}
