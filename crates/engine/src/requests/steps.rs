//! Steps that faults on requests take at offsets of the streams.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::Output;
use super::follow::follow;
use super::pending::Pending;
use super::rule::{Ending, Moment, RequestAction, RequestFault};
use super::state::State;
use super::stream_plan::{Step, StepAction};
use crate::direction::Direction;
use crate::journal::{Decision, nanos};
use crate::shared::SessionEnd;

impl State {
    /// Lets the faults of a request act whose offset is known now.
    #[inline]
    pub(super) fn act(
        &mut self,
        direction: Direction,
        now: Duration,
        request: u64,
        offset: impl Fn(&RequestFault) -> Option<u64>,
    ) {
        if self.acting.is_some() {
            self.act_on_due(direction, now, request, &offset);
        }
    }

    #[inline(never)]
    fn act_on_due(
        &mut self,
        direction: Direction,
        now: Duration,
        request: u64,
        offset: &dyn Fn(&RequestFault) -> Option<u64>,
    ) {
        let Some(acting) = &self.acting else { return };
        let due = acting.pending.of(request).filter_map(|pending| {
            let offset = offset(pending.rule()?)?;
            Some((pending.clone(), offset))
        });
        // Most requests have no faults, and then this allocates no memory.
        let mut due = due.collect::<Vec<_>>();
        // Other faults act on the response of the proxy, which is inserted. A rate counts from the end of the waits.
        due.sort_by_key(|(pending, _)| (pending.response().is_some(), pending.rate().is_some()));
        for (pending, offset) in due {
            self.act_now(direction, now, offset, &pending);
        }
    }

    /// The faults of this request that act after it was forwarded wait for the end of its group. The server executes the group, and
    /// commits, when it receives Sync.
    pub(super) fn await_group(&mut self, request: u64) {
        let Some(acting) = &mut self.acting else { return };
        let of_request = acting.pending.of(request);
        let waiting =
            of_request.filter(|pending| pending.rule().is_some_and(|rule| rule.at == Moment::AfterForward));
        acting.before_sync.extend(waiting.cloned());
    }

    /// The client has sent a group of PostgreSQL messages.
    pub(super) fn act_behind_group(&mut self, now: Duration, offset: u64) {
        let Some(acting) = &mut self.acting else { return };
        for pending in mem::take(&mut acting.before_sync) {
            self.act_now(Direction::ToUpstream, now, offset, &pending);
        }
    }

    /// Returns true if the server responds to the request before the client has sent Sync, since it has sent Flush. The client may wait for
    /// the response before it sends Sync, so the fault acts on the response instead.
    fn is_flushed(&mut self, pending: &Pending) -> bool {
        let Some(acting) = &mut self.acting else { return false };
        let waiting = acting.before_sync.iter().position(|other| other.is(pending));
        waiting.is_some_and(|index| {
            acting.before_sync.remove(index);
            true
        })
    }

    pub(super) fn act_now(&mut self, direction: Direction, now: Duration, offset: u64, pending: &Pending) {
        let Some(rule) = pending.rule() else { return };
        match &rule.action {
            RequestAction::End { .. }
                if direction == Direction::ToDownstream
                    && rule.at == Moment::AfterForward
                    && !self.is_flushed(pending) =>
            {
                self.push(direction, offset, StepAction::Drop, pending);
            }
            // The bytes behind the request wait already.
            RequestAction::Delay(_)
                if direction == Direction::ToDownstream
                    && rule.at == Moment::AfterForward
                    && !self.is_flushed(pending) =>
            {
                if let Some(until) = self.stream(Direction::ToUpstream).wait_of(pending) {
                    self.push(direction, offset, StepAction::WaitToo { until }, pending);
                }
            }
            RequestAction::Delay(delay) => {
                let key = self.context.key(Some(direction), &pending.entry.fault.name);
                let delay = delay.sample(&mut key.at(pending.request));
                self.wait(direction, now, offset, delay, pending);
                pending.entry.counters.record_requested(delay);
                let delay_ns = nanos(delay);
                self.record(direction, now, offset, pending, Decision::Hold { delay_ns });
            }
            RequestAction::End { after, ending } => {
                if !after.is_zero() {
                    self.wait(direction, now, offset, *after, pending);
                }
                self.push(direction, offset, StepAction::End(*ending), pending);
            }
            RequestAction::Truncate => {
                self.push(direction, offset, StepAction::End(Ending::Close), pending);
            }
            RequestAction::Limit(rate) => {
                pending.entry.counters.record_action();
                self.record(direction, now, offset, pending, Decision::Limit);
                self.push(direction, offset, StepAction::Limit(*rate), pending);
            }
            RequestAction::LoseResponse(_) => self.push(direction, offset, StepAction::Drop, pending),
            RequestAction::Respond(_) if direction == Direction::ToUpstream => {
                self.replace_request(now, offset, pending);
            }
            RequestAction::Respond(_) => self.replace_response(offset, pending.clone()),
        }
    }

    /// Makes the bytes from the offset on wait, after earlier waits at the same offset.
    pub(super) fn wait(
        &mut self,
        direction: Direction,
        now: Duration,
        offset: u64,
        delay: Duration,
        pending: &Pending,
    ) {
        let since = self.stream(direction).last_wait_at(offset, pending.request).unwrap_or(now);
        let action = StepAction::Wait { since, until: since.saturating_add(delay) };
        self.push(direction, offset, action, pending);
    }

    pub(super) fn push(&mut self, direction: Direction, offset: u64, action: StepAction, pending: &Pending) {
        self.stream(direction).push(Step { offset, action, pending: pending.clone() });
    }

    /// Records that the fault of the first step makes the bytes wait. The client may give up before the step is due.
    pub(super) fn on_wait(&mut self, direction: Direction) {
        if let Some(pending) = self.stream(direction).waits_for() {
            pending.entry.counters.record_effect();
        }
    }

    /// Takes the first step, which is due. Returns its output, if it has one.
    pub(super) fn take_step(&mut self, direction: Direction, now: Duration) -> Option<Output> {
        let Step { offset, action, pending } = self.stream(direction).take_step(now)?;
        let counters = &pending.entry.counters;
        match action {
            StepAction::Wait { since, until } => {
                let held = now.saturating_sub(since);
                counters.record_held(held, now.saturating_sub(until));
                self.proxy.record_delay(held);
                None
            }
            StepAction::Drop
            | StepAction::Resume
            | StepAction::Limit(_)
            | StepAction::EndLimit
            | StepAction::WaitToo { .. }
            | StepAction::AwaitResponse => None,
            StepAction::Insert(_) if self.stream(direction).is_dropping() => None,
            StepAction::Insert(bytes) => Some(Output::Insert(bytes)),
            StepAction::End(ending) => {
                if pending.response().is_some() {
                    // It was recorded as a response.
                    return Some(Output::End(SessionEnd::Closed));
                }
                counters.record_action();
                let decision = match ending {
                    Ending::Reset(_) => Decision::Reset,
                    Ending::Close => Decision::Close,
                    Ending::Stall => Decision::Stall,
                };
                self.record(direction, now, offset, &pending, decision);
                match ending {
                    // The stream cannot go on without the dropped bytes.
                    Ending::Stall if !follow(&self.plan, now, &mut pending.clone()) => {
                        Some(Output::End(SessionEnd::Closed))
                    }
                    Ending::Reset(sides) => Some(Output::End(SessionEnd::Reset(sides, direction))),
                    Ending::Close => Some(Output::End(SessionEnd::Closed)),
                    Ending::Stall => {
                        self.stream(direction).drop_rest(now, pending);
                        None
                    }
                }
            }
        }
    }

    pub(super) fn record(
        &self,
        direction: Direction,
        now: Duration,
        offset: u64,
        pending: &Pending,
        decision: Decision,
    ) {
        if let Some(request) = &pending.recorded {
            let line = self.context.decision(now, Some(direction), &pending.entry, offset, decision);
            self.proxy.record(line.on_request(Arc::clone(request)));
        }
    }
}
