//! Closes the session after a number of bytes.

use std::any::Any;
use std::time::Duration;

use crate::fifo::Fifo;
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stage::{Stage, StageContext};

#[derive(Debug)]
pub(crate) struct Limit {
    /// Number of bytes that still pass before the end. `None` if the end was already added.
    left: Option<u64>,
    /// Number of bytes that have passed.
    passed: u64,
    passing: Fifo<Chunk>,
}

impl Limit {
    /// Closes the session after `bytes` bytes, or before the first byte if `bytes` is 0.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: Some(bytes), passed: 0, passing: Fifo::new() }
    }

    fn add(&mut self, mut chunk: Chunk) {
        if let Some(left) = self.left {
            let counted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len);
            if counted == chunk.len {
                self.passing.push_back(chunk);
                chunk = chunk.followed_by(chunk.at, FlowEnd::No);
            } else if counted > 0 {
                self.passing.push_back(chunk.split(counted));
            }
            self.passed += counted as u64;
            self.left = Some(left - counted as u64);
            if self.left == Some(0) {
                self.left = None;
                self.passing.push_back(Chunk { len: 0, end: FlowEnd::Close, ..chunk });
            }
            if chunk.len == 0 {
                return;
            }
        }
        // Data after the end is not delivered.
        self.passing.push_back(Chunk { discarded: true, ..chunk });
    }
}

impl Stage for Limit {
    fn push(&mut self, chunk: Chunk, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        self.add(chunk);
        None
    }

    fn pop(&mut self, _now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.passing.pop_front().inspect(|chunk| context.ends(chunk))
    }

    fn due(&self) -> Option<Duration> {
        self.passing.front().map(|chunk| chunk.at)
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.passing.drain(..).collect()
    }

    fn memory(&self) -> usize {
        self.passing.memory()
    }

    /// Continues the byte count of the limit before the change.
    fn resume_from(&mut self, before: &dyn Stage) {
        if let Some(before) = (before as &dyn Any).downcast_ref::<Self>() {
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

    /// Returns the output: the length of each chunk, whether it is discarded, and its end.
    fn out(limit: &mut Limit) -> Vec<(usize, bool, FlowEnd)> {
        std::iter::from_fn(|| limit.passing.pop_front())
            .map(|chunk| (chunk.len, chunk.discarded, chunk.end))
            .collect()
    }

    #[test]
    fn data_ends_exactly_behind_the_last_byte() {
        let mut limit = Limit::new(15);
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
        assert_eq!(out(&mut limit), expected);
        let mut limit = Limit::new(10);
        limit.add(data(0, 10));
        assert_eq!(out(&mut limit), [(10, false, FlowEnd::No), (0, false, FlowEnd::Close)]);
    }

    #[test]
    fn no_bytes_at_all_end_before_the_first() {
        let mut limit = Limit::new(0);
        assert_eq!(out(&mut limit), []);
        limit.add(data(0, 10));
        assert_eq!(out(&mut limit), [(0, false, FlowEnd::Close), (10, true, FlowEnd::No)]);
    }

    #[test]
    fn a_changed_limit_counts_on() {
        let mut before = Limit::new(100);
        before.add(data(0, 30));
        for (bytes, expected) in [
            (40, vec![(10, false, FlowEnd::No), (0, false, FlowEnd::Close)]),
            (5, vec![(0, false, FlowEnd::Close)]),
        ] {
            let mut limit = Limit::new(bytes);
            limit.resume_from(&before);
            limit.add(data(30, 10));
            assert_eq!(out(&mut limit)[..expected.len()], expected);
        }
    }
}
