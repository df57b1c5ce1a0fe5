//! Ends the session after a number of bytes, a time, or both.

use std::any::Any;
use std::time::Duration;

use crate::direction::Side;
use crate::fifo::Fifo;
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stage::{Stage, StageContext};

#[derive(Debug)]
pub(crate) struct Limit {
    ending: FlowEnd,
    not_before: Duration,
    /// Bytes that still pass before the end. `None` if the end was already added.
    left: Option<u64>,
    /// When the ending comes, if that is not behind a byte.
    ends_at: Option<Duration>,
    /// Nothing is delivered behind the ending.
    is_strict: bool,
    /// Bytes that have passed.
    passed: u64,
    passing: Fifo<Chunk>,
}

impl Limit {
    /// Closes the session behind the byte number `bytes` from `now` on, or if that is 0, before the first.
    pub(crate) fn data(now: Duration, bytes: u64) -> Self {
        Self::new(FlowEnd::Close, now, bytes, true)
    }

    /// Resets the session at `not_before`, and not before `bytes` have passed.
    pub(crate) fn reset(sides: Side, not_before: Duration, bytes: Option<u64>) -> Self {
        let ending = if bytes.is_some() { FlowEnd::Reset(sides) } else { FlowEnd::ResetNow(sides) };
        Self::new(ending, not_before, bytes.unwrap_or(0), false)
    }

    fn new(ending: FlowEnd, not_before: Duration, bytes: u64, is_strict: bool) -> Self {
        let (left, ends_at) =
            if bytes == 0 && !is_strict { (None, Some(not_before)) } else { (Some(bytes), None) };
        Self { ending, not_before, left, ends_at, is_strict, passed: 0, passing: Fifo::new() }
    }

    fn add(&mut self, mut chunk: Chunk) {
        if let Some(left) = self.left {
            let counted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len);
            if counted == chunk.len || !self.is_strict {
                self.passing.push_back(chunk);
                chunk = chunk.followed_by(chunk.at, FlowEnd::No);
            } else if counted > 0 {
                self.passing.push_back(chunk.split(counted));
            }
            self.passed += counted as u64;
            self.left = Some(left - counted as u64);
            if self.left == Some(0) {
                self.left = None;
                if self.not_before > chunk.at {
                    self.ends_at = Some(self.not_before);
                } else {
                    self.passing.push_back(Chunk { len: 0, end: self.ending, ..chunk });
                }
            }
            if chunk.len == 0 {
                return;
            }
        }
        self.passing.push_back(Chunk { discarded: self.is_strict, ..chunk });
    }

    fn leave(&mut self, now: Duration) -> Option<Chunk> {
        if let Some(chunk) = self.passing.pop_front() {
            return Some(chunk);
        }
        let at = self.ends_at.take_if(|at| *at <= now)?;
        Some(Chunk::ending(at, self.ending))
    }
}

impl Stage for Limit {
    fn push(&mut self, chunk: Chunk, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        self.add(chunk);
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.leave(now).inspect(|chunk| context.ends(chunk))
    }

    fn due(&self) -> Option<Duration> {
        self.passing.front().map(|chunk| chunk.at).or(self.ends_at)
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.passing.drain(..).collect()
    }

    fn memory(&self) -> usize {
        self.passing.memory()
    }

    /// A limit of data counts what has passed before it changed.
    fn resume_from(&mut self, before: &dyn Stage) {
        if let Some(before) = (before as &dyn Any).downcast_ref::<Self>()
            && self.is_strict
            && before.is_strict
        {
            self.passed = before.passed;
            self.left = self.left.map(|left| left.saturating_sub(before.passed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(offset: u64, len: usize) -> Chunk {
        Chunk { offset, len, ..Chunk::ending(Duration::from_secs(1), FlowEnd::No) }
    }

    /// What comes out: delivered bytes, discarded bytes, endings.
    fn out(limit: &mut Limit, now: u64) -> Vec<(usize, bool, FlowEnd)> {
        std::iter::from_fn(|| limit.leave(Duration::from_secs(now)))
            .map(|chunk| (chunk.len, chunk.discarded, chunk.end))
            .collect()
    }

    #[test]
    fn data_ends_exactly_behind_the_last_byte() {
        let mut limit = Limit::data(Duration::ZERO, 15);
        limit.add(data(0, 10));
        limit.add(data(10, 10));
        limit.add(data(20, 10));
        let expected = [
            (10, false, FlowEnd::No),
            (5, false, FlowEnd::No),
            (0, false, FlowEnd::Close),
            (5, true, FlowEnd::No),
            (10, true, FlowEnd::No),
        ];
        assert_eq!(out(&mut limit, 1), expected);
        let mut limit = Limit::data(Duration::ZERO, 10);
        limit.add(data(0, 10));
        assert_eq!(out(&mut limit, 1), [(10, false, FlowEnd::No), (0, false, FlowEnd::Close)]);
    }

    #[test]
    fn an_ending_waits_for_its_time_and_its_bytes() {
        let mut limit = Limit::reset(Side::Both, Duration::from_secs(5), Some(10));
        limit.add(data(0, 20));
        assert_eq!(out(&mut limit, 4), [(20, false, FlowEnd::No)]);
        assert_eq!(limit.due(), Some(Duration::from_secs(5)));
        assert_eq!(out(&mut limit, 5), [(0, false, FlowEnd::Reset(Side::Both))]);
        let mut limit = Limit::reset(Side::Both, Duration::from_secs(5), None);
        assert_eq!(out(&mut limit, 4), []);
        assert_eq!(out(&mut limit, 9), [(0, false, FlowEnd::ResetNow(Side::Both))]);
        assert_eq!(limit.due(), None);
    }

    #[test]
    fn no_bytes_at_all_end_before_the_first() {
        let mut limit = Limit::data(Duration::ZERO, 0);
        assert_eq!(out(&mut limit, 3), []);
        limit.add(data(0, 10));
        assert_eq!(out(&mut limit, 3), [(0, false, FlowEnd::Close), (10, true, FlowEnd::No)]);
    }

    #[test]
    fn a_changed_limit_counts_on() {
        let mut before = Limit::data(Duration::ZERO, 100);
        before.add(data(0, 30));
        for (bytes, expected) in [
            (40, vec![(10, false, FlowEnd::No), (0, false, FlowEnd::Close)]),
            (5, vec![(0, false, FlowEnd::Close)]),
        ] {
            let mut limit = Limit::data(Duration::from_secs(1), bytes);
            limit.resume_from(&before);
            limit.add(data(30, 10));
            assert_eq!(out(&mut limit, 2)[..expected.len()], expected);
        }
    }
}
