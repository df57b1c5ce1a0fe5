//! Changes of faults while they act on requests.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use super::pending::Pending;
use super::rule::RequestAction;
use super::state::{State, holds_requests};
use super::stream_plan::Changes;
use crate::direction::Direction;
use crate::pipeline::plan::Plan;

impl State {
    /// Applies a changed plan, and ends faults whose window has ended.
    #[inline]
    pub(super) fn sync_plan(&mut self, now: Duration) {
        let version = self.proxy.version();
        if version != self.version {
            self.version = version;
            self.plan = self.proxy.plan();
            self.holds_requests = holds_requests(&self.plan);
            self.classified = 0;
            self.follow_plan(now);
        } else if self.window_end().is_some_and(|end| end <= now) {
            self.follow_plan(now);
        }
    }

    /// Changed faults go on with their new parameters. Removed ones release what they hold.
    #[inline(never)]
    fn follow_plan(&mut self, now: Duration) {
        let Self { plan, context, streams: [to_upstream, to_client], acting, .. } = self;
        // A response is lost completely.
        let losing = to_client.losing();
        let follow = |pending: &mut Pending| {
            follow(plan, now, pending) || losing.iter().any(|other| other.is(pending))
        };
        if let Some(acting) = acting {
            acting.pending.retain_mut(follow);
            acting.before_sync.retain_mut(follow);
            acting.before_ready.retain_mut(follow);
        }
        for (direction, stream) in
            [(Direction::ToUpstream, &mut *to_upstream), (Direction::ToDownstream, &mut *to_client)]
        {
            let delay = |pending: &Pending| match &pending.rule()?.action {
                RequestAction::Delay(delay) => {
                    let key = context.key(Some(direction), &pending.entry.fault.name);
                    Some(delay.sample(&mut key.at(pending.request)))
                }
                RequestAction::End { after, .. } => Some(*after),
                _ => None,
            };
            stream.follow(&Changes { now, follow: &follow, delay: &delay });
        }
        to_client.follow_waits_of(to_upstream);
        if let Some(acting) = acting {
            let ends = acting.pending.iter().chain(&acting.before_ready).filter_map(|pending| pending.ends);
            let streams = [to_upstream.next_end(now), to_client.next_end(now)];
            let next = ends.filter(|end| *end > now).chain(streams.into_iter().flatten()).min();
            acting.window_end = next;
        }
    }
}

/// Gives a request the changed fault. Returns false if the fault does not act on the request any more, because it was removed, selects
/// other requests or moments, or is off. A response of the proxy does not change, since the upstream does not see the request.
pub(super) fn follow(plan: &Plan, now: Duration, pending: &mut Pending) -> bool {
    if pending.response().is_some() {
        return true;
    }
    // A changed fault keeps its counters.
    let is_same = |counters| Arc::ptr_eq(counters, &pending.entry.counters);
    let Some(entry) = plan.iter().find(|entry| is_same(&entry.counters)) else { return false };
    if !Arc::ptr_eq(entry, &pending.entry) {
        let rule = entry.fault.effect.behavior().requests();
        let (Some(before), Some(rule)) = (pending.rule(), rule) else { return false };
        let is_moved = (&before.on, before.at) != (&rule.on, rule.at);
        let windows = &entry.fault.windows;
        if is_moved || discriminant(&before.action) != discriminant(&rule.action) || !windows.is_on(now) {
            return false;
        }
        pending.ends = windows.next_change(now);
        pending.entry = Arc::clone(entry);
    }
    pending.ends.is_none_or(|ends| now < ends)
}
