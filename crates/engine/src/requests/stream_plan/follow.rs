//! Changes of faults while they act on a stream.

use std::sync::Arc;
use std::time::Duration;

use super::{Dropping, Limit, Step, StepAction, StreamPlan};
use crate::requests::pending::Pending;
use crate::requests::rule::Ending;

/// Changes of the faults of a proxy.
pub(in crate::requests) struct Changes<'a> {
    pub(in crate::requests) now: Duration,
    /// Gives a request the changed fault. Returns false if the fault does not act on the request any more.
    pub(in crate::requests) follow: &'a dyn Fn(&mut Pending) -> bool,
    /// Returns how long the changed fault makes the bytes wait.
    pub(in crate::requests) delay: &'a dyn Fn(&Pending) -> Option<Duration>,
}

impl StreamPlan {
    /// Applies changes of faults. What removed faults hold passes. If they have dropped data, the session ends, since the stream cannot
    /// be continued.
    pub(in crate::requests) fn follow(&mut self, changes: &Changes<'_>) {
        self.follow_steps(changes);
        let Some(active) = &mut self.active else { return };
        active.limits.retain_mut(|limit| {
            let is_on = (changes.follow)(&mut limit.pending);
            if let Some(rate) = limit.pending.rate().filter(|rate| *rate != limit.rate) {
                *limit = Limit { rate, since: changes.now, passed: 0, pending: limit.pending.clone() };
            }
            is_on
        });
        let mut removed = None;
        active.drops.retain_mut(|dropping| {
            let is_on = (changes.follow)(&mut dropping.pending);
            if !is_on && dropping.has_dropped {
                removed = Some(dropping.pending.clone());
            }
            is_on || dropping.has_dropped
        });
        if let Some(mut stall) = active.stall.take() {
            let is_on = (changes.follow)(&mut stall.pending);
            match stall.pending.ending() {
                Some(Ending::Stall) | None if is_on => active.stall = Some(stall),
                Some(ending) if is_on => self.end_stall(stall, ending, changes),
                _ if stall.has_dropped => {
                    removed = Some(stall.pending.clone());
                    active.stall = Some(stall);
                }
                _ => {}
            }
        }
        if let Some(pending) = removed {
            // Nothing passes before, even if the plan changes again.
            let ending = pending.ending().filter(|ending| *ending != Ending::Stall).unwrap_or(Ending::Close);
            self.steps.push_front(Step { offset: self.position, action: StepAction::End(ending), pending });
        }
    }

    fn follow_steps(&mut self, changes: &Changes<'_>) {
        // Place of the wait before, and its end. Waits at the same place follow each other.
        let mut last = None;
        self.steps.retain_mut(|Step { offset, action, pending }| {
            let before = Arc::clone(&pending.entry);
            let is_on = (changes.follow)(pending);
            let is_changed = !Arc::ptr_eq(&before, &pending.entry);
            match action {
                StepAction::Wait { since, until } => {
                    let place = (*offset, pending.request);
                    let delay = until.saturating_sub(*since);
                    if let Some((_, end)) = last.filter(|(other, _)| *other == place) {
                        *since = end;
                    }
                    let changed = is_changed.then(|| (changes.delay)(pending)).flatten();
                    if let Some(changed) = changed.filter(|changed| is_on && *changed != delay) {
                        pending.entry.counters.record_requested(changed);
                    }
                    *until = since.saturating_add(changed.unwrap_or(delay));
                    last = Some((place, if is_on { *until } else { *since }));
                }
                StepAction::End(ending) => *ending = pending.ending().unwrap_or(*ending),
                StepAction::Limit(rate) => *rate = pending.rate().unwrap_or(*rate),
                _ => {}
            }
            is_on
        });
    }

    /// The changed fault ends the session, as if it had acted so from the start.
    fn end_stall(&mut self, stall: Dropping, ending: Ending, changes: &Changes<'_>) {
        let (offset, since) = (self.position, stall.since);
        if let Some(delay) = (changes.delay)(&stall.pending) {
            let action = StepAction::Wait { since, until: since.saturating_add(delay) };
            self.steps.push_back(Step { offset, action, pending: stall.pending.clone() });
        }
        let pending = stall.pending.clone();
        self.steps.push_back(Step { offset, action: StepAction::End(ending), pending });
        self.active().drops.push(stall);
    }

    /// Lets bytes wait as long as those of the other stream.
    pub(in crate::requests) fn follow_waits_of(&mut self, other: &Self) {
        for Step { action, pending, .. } in &mut self.steps {
            if let StepAction::WaitToo { until } = action {
                *until = other.wait_of(pending).unwrap_or(*until);
            }
        }
    }
}
