//! Steps of faults at the offsets of one stream of a session.

mod follow;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::pending::Pending;
use super::rule::Ending;

pub(super) use follow::Changes;

/// One stream of a session, with steps of faults at its offsets.
#[derive(Debug, Default)]
pub(super) struct StreamPlan {
    /// Number of bytes that were received.
    received: u64,
    /// Offset of the first byte that has neither passed nor been dropped.
    position: u64,
    /// In the order of their offsets.
    steps: VecDeque<Step>,
    /// Created for the first fault that drops bytes or limits their rate, so that other sessions stay small.
    active: Option<Box<Active>>,
    has_ended: bool,
    /// Number of bytes that have passed, and of those that were written.
    passed: u64,
    written: u64,
    /// Ends of messages that were not written, and their requests: first those that have passed, with the number of passed bytes at the
    /// end, then the others, with their offsets. As long as all bytes have passed, and no others, the two numbers are the same.
    ends: VecDeque<(u64, u64)>,
    /// Number of the former, once bytes were dropped or inserted.
    passed_ends: Option<usize>,
}

/// A step of a fault at an offset.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) offset: u64,
    pub(super) action: StepAction,
    /// The fault and the request.
    pub(super) pending: Pending,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepAction {
    /// The bytes from here on wait, since and until these times.
    Wait { since: Duration, until: Duration },
    /// The bytes from here on wait until this time, as those of the other stream do.
    WaitToo { until: Duration },
    /// The bytes from here on are dropped.
    Drop,
    /// The bytes from here on are not dropped any more.
    Resume,
    /// The bytes from here on pass at this rate, in bytes per second, from when they are due.
    Limit(f64),
    /// The rate of the bytes from here on is not limited any more.
    EndLimit,
    /// These bytes pass first.
    Insert(Bytes),
    /// The bytes from here on wait for the response of the proxy.
    AwaitResponse,
    /// The session ends.
    End(Ending),
}

/// Faults that act on all bytes.
#[derive(Debug, Default)]
struct Active {
    drops: Vec<Dropping>,
    /// Drops everything to the end of the session.
    stall: Option<Dropping>,
    limits: Vec<Limit>,
}

/// A fault that drops bytes.
#[derive(Debug)]
struct Dropping {
    pending: Pending,
    since: Duration,
    has_dropped: bool,
}

/// A rate, and the bytes that have passed at it.
#[derive(Debug)]
struct Limit {
    rate: f64,
    since: Duration,
    passed: u64,
    pending: Pending,
}

impl Limit {
    /// Returns how many of `len` bytes may pass now, or when the next ones may: those of 1 ms.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the casts saturate")]
    fn next(&self, now: Duration, len: u64) -> Result<u64, Duration> {
        let due = now.saturating_sub(self.since).as_secs_f64() * self.rate;
        let next = len.min((self.rate / 1000.0) as u64).max(1);
        match (due as u64).saturating_sub(self.passed) {
            ready if ready >= next => Ok(ready.min(len)),
            _ => {
                let seconds = (self.passed + next) as f64 / self.rate;
                // Rounded up, so that the bytes are due then.
                Err(self.since + Duration::from_secs_f64(seconds) + Duration::from_nanos(1))
            }
        }
    }
}

/// Next action for the bytes at the head of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Pass up to this number of bytes.
    Pass(u64),
    /// Drop this number of bytes.
    Drop(u64),
    /// Wait for this time.
    Wait(Duration),
    /// The first step is due; see [`StreamPlan::take_step`].
    Step,
    /// Receive more.
    Receive,
}

impl StreamPlan {
    pub(super) fn on_received(&mut self, len: usize) {
        self.received += len as u64;
    }

    pub(super) fn on_end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn is_dropping(&self) -> bool {
        self.active.as_ref().is_some_and(|active| !active.drops.is_empty() || active.stall.is_some())
    }

    /// Returns true if bytes are dropped, or will be.
    pub(super) fn is_to_drop(&self) -> bool {
        self.is_dropping() || self.steps.iter().any(|step| step.action == StepAction::Drop)
    }

    /// Returns true if all bytes pass unchanged.
    pub(super) fn is_clear(&self) -> bool {
        !self.is_dropping() && self.steps.is_empty() && self.position == self.received
    }

    /// Adds a step. The stream may be at its offset already, but not behind it.
    pub(super) fn push(&mut self, step: Step) {
        if let Some(stall) = self.active.as_mut().and_then(|active| active.stall.as_mut()) {
            stall.has_dropped = true;
            return;
        }
        let behind = self.steps.iter().rposition(|other| other.offset <= step.offset);
        self.steps.insert(behind.map_or(0, |index| index + 1), step);
    }

    /// Returns the end of the last wait of a request at this offset.
    pub(super) fn last_wait_at(&self, offset: u64, request: u64) -> Option<Duration> {
        let is_meant = |step: &&Step| step.offset == offset && step.pending.request == request;
        self.steps.iter().rev().filter(is_meant).find_map(|step| match step.action {
            StepAction::Wait { until, .. } => Some(until),
            _ => None,
        })
    }

    /// Returns the end of the wait of a fault on a request.
    pub(super) fn wait_of(&self, pending: &Pending) -> Option<Duration> {
        self.steps.iter().find_map(|step| match step.action {
            StepAction::Wait { until, .. } if step.pending.is(pending) => Some(until),
            _ => None,
        })
    }

    /// Removes the steps of a request that are behind `end`, which it does not reach.
    pub(super) fn end_steps(&mut self, request: u64, end: u64) {
        self.steps.retain(|step| step.pending.request != request || step.offset <= end);
    }

    /// Returns the next action. The bytes from `undecided` on wait for more.
    pub(super) fn next(&self, now: Duration, undecided: Option<u64>) -> Next {
        let step = self.steps.front();
        let limit = step.map_or(u64::MAX, |step| step.offset);
        if self.position >= limit {
            return match step.map(|step| &step.action) {
                Some(StepAction::Wait { until, .. } | StepAction::WaitToo { until }) if now < *until => {
                    Next::Wait(*until)
                }
                Some(StepAction::AwaitResponse) => Next::Wait(Duration::MAX),
                _ => Next::Step,
            };
        }
        let undecided = undecided.filter(|_| !self.has_ended).unwrap_or(u64::MAX);
        let until = limit.min(undecided).min(self.received);
        match until.saturating_sub(self.position) {
            0 => Next::Receive,
            len if self.is_dropping() => Next::Drop(len),
            len => self.next_limited(now, len),
        }
    }

    /// Returns the next action for `len` bytes, which pass at the lowest rate.
    fn next_limited(&self, now: Duration, len: u64) -> Next {
        let mut next = Ok(len);
        for limit in self.active.iter().flat_map(|active| &active.limits) {
            next = match (next, limit.next(now, len)) {
                (Ok(len), Ok(other)) => Ok(len.min(other)),
                (Err(until), Err(other)) => Err(until.max(other)),
                (Err(until), Ok(_)) | (Ok(_), Err(until)) => Err(until),
            };
        }
        next.map_or_else(Next::Wait, Next::Pass)
    }

    /// Returns the fault and the request of the first step if the stream is at its offset.
    pub(super) fn waits_for(&self) -> Option<&Pending> {
        let step = self.steps.front().filter(|step| self.position >= step.offset);
        step.map(|step| &step.pending)
    }

    fn active(&mut self) -> &mut Active {
        self.active.get_or_insert_default()
    }

    /// Takes the first step.
    pub(super) fn take_step(&mut self, now: Duration) -> Option<Step> {
        let step = self.steps.pop_front()?;
        let pending = || step.pending.clone();
        match step.action {
            StepAction::Drop => {
                self.count_passed_ends();
                let dropping = Dropping { pending: pending(), since: now, has_dropped: false };
                self.active().drops.push(dropping);
            }
            StepAction::Resume => self.active().drops.retain(|dropping| !dropping.pending.is(&step.pending)),
            StepAction::Limit(rate) => {
                let limit = Limit { rate, since: now, passed: 0, pending: pending() };
                self.active().limits.push(limit);
            }
            StepAction::EndLimit => self.active().limits.retain(|limit| !limit.pending.is(&step.pending)),
            _ => {}
        }
        Some(step)
    }

    /// From here on, the fault drops all bytes.
    pub(super) fn drop_rest(&mut self, now: Duration, pending: Pending) {
        self.count_passed_ends();
        let active = self.active();
        let before = active.drops.extract_if(.., |dropping| dropping.pending.is(&pending)).last();
        let has_dropped = before.is_some_and(|dropping| dropping.has_dropped);
        active.stall = Some(Dropping { pending, since: now, has_dropped });
        self.steps.clear();
    }

    /// Returns the faults whose loss of a response has begun.
    pub(super) fn losing(&self) -> Vec<Pending> {
        let pendings = self.active.iter().flat_map(|active| &active.drops).map(|dropping| &dropping.pending);
        pendings.filter(|pending| pending.lost().is_some()).cloned().collect()
    }

    /// Returns when the window of the next fault ends that acts on the stream.
    pub(super) fn next_end(&self, now: Duration) -> Option<Duration> {
        let active = self.active.iter().flat_map(|active| {
            let dropping = active.drops.iter().chain(&active.stall).map(|dropping| &dropping.pending);
            dropping.chain(active.limits.iter().map(|limit| &limit.pending))
        });
        let pendings = self.steps.iter().map(|step| &step.pending).chain(active);
        pendings.filter_map(|pending| pending.ends.filter(|ends| *ends > now)).min()
    }

    /// The proxy has responded to the request.
    pub(super) fn end_await(&mut self, request: u64) {
        let is_waiting =
            |step: &Step| step.action == StepAction::AwaitResponse && step.pending.request == request;
        self.steps.retain(|step| !is_waiting(step));
    }

    /// A message of this request ends at the offset.
    pub(super) fn push_end(&mut self, offset: u64, request: u64) {
        self.ends.push_back((offset, request));
    }

    pub(super) fn on_passed(&mut self, len: u64) {
        self.position += len;
        self.passed += len;
        if let Some(active) = &mut self.active {
            active.limits.iter_mut().for_each(|limit| limit.passed += len);
        }
        let Some(passed_ends) = &mut self.passed_ends else { return };
        while let Some((end, _)) = self.ends.get_mut(*passed_ends).filter(|(end, _)| *end <= self.position) {
            *end = self.passed - (self.position - *end);
            *passed_ends += 1;
        }
    }

    /// From here on, the numbers of passed bytes are not the offsets.
    fn count_passed_ends(&mut self) {
        let position = self.position;
        let ends = &self.ends;
        self.passed_ends.get_or_insert_with(|| ends.partition_point(|(end, _)| *end <= position));
    }

    /// Returns the request of the next message that was dropped with its end.
    pub(super) fn next_dropped(&mut self) -> Option<u64> {
        let passed_ends = self.passed_ends?;
        let (end, request) = *self.ends.get(passed_ends)?;
        if end > self.position {
            return None;
        }
        self.ends.remove(passed_ends);
        Some(request)
    }

    pub(super) fn on_inserted(&mut self, len: usize) {
        self.count_passed_ends();
        self.passed += len as u64;
    }

    pub(super) fn on_dropped(&mut self, len: u64) {
        self.position += len;
        if let Some(active) = &mut self.active {
            let dropping = active.drops.iter_mut().chain(&mut active.stall);
            dropping.for_each(|dropping| dropping.has_dropped |= len > 0);
        }
    }

    pub(super) fn on_written(&mut self, len: usize) {
        self.written += len as u64;
    }

    /// Returns the request of the next message that was written with its end.
    pub(super) fn next_written(&mut self) -> Option<u64> {
        let (end, request) = *self.ends.front()?;
        if end > self.written {
            return None;
        }
        if let Some(passed_ends) = &mut self.passed_ends {
            // Messages that are held have offsets, which may be lower.
            *passed_ends = passed_ends.checked_sub(1)?;
        }
        self.ends.pop_front();
        Some(request)
    }
}
