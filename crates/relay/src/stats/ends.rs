//! Sessions that have ended, counted by how and why.

use std::array;
use std::ops::AddAssign;

use crate::report::LOOP;
use crate::summary::{CloseReason, SessionSummary};

/// Names of the ways in which sessions end. If several apply to a session, `not_opened` takes precedence over `failed`,
/// and `failed` over `aborted`.
const ENDS: [&str; 6] = ["clean", "aborted", "failed", "not_opened", "cut", "closed"];

/// Names of the reasons why sessions fail: [`SessionSummary::not_opened`], or `failed` for a side that failed later.
const REASONS: [&str; 9] = [
    "resolve",
    "refused",
    "unreachable",
    "timed_out",
    "handshake",
    "client_handshake",
    "not_wanted",
    LOOP,
    "failed",
];

/// Sessions that have ended, by how and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    ends: [u64; ENDS.len()],
    reasons: [u64; REASONS.len()],
}

impl Ends {
    /// Returns the number of sessions that ended `clean`, `aborted` by a peer, `failed`, `not_opened`, or `cut` or
    /// `closed` by the relay.
    pub fn by_end(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ENDS.into_iter().zip(self.ends)
    }

    /// Returns the number of sessions that failed or were not opened, by reason: [`SessionSummary::not_opened`], or
    /// `failed`.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.reasons)
    }

    /// Returns the number of sessions that ended without an error, but not with a half-close from both sides.
    pub fn aborted(&self) -> u64 {
        self.sum(&["aborted", "cut", "closed"])
    }

    /// Returns the number of sessions that ended with an error.
    pub fn errors(&self) -> u64 {
        self.sum(&["failed", "not_opened"])
    }

    fn sum(&self, ends: &[&str]) -> u64 {
        self.by_end().filter(|(end, _)| ends.contains(end)).map(|(_, count)| count).sum()
    }

    pub(super) fn add(&mut self, summary: &SessionSummary) {
        let end = end_name(&summary.downstream_end, &summary.upstream_end);
        self.ends[index_of(&ENDS, end)] += 1;
        if let Some(reason) = summary.not_opened.or((end == "failed").then_some("failed")) {
            self.reasons[index_of(&REASONS, reason)] += 1;
        }
    }
}

impl AddAssign for Ends {
    fn add_assign(&mut self, other: Self) {
        self.ends = array::from_fn(|index| self.ends[index] + other.ends[index]);
        self.reasons = array::from_fn(|index| self.reasons[index] + other.reasons[index]);
    }
}

/// Returns the index of a name. An unknown name counts as the last one.
fn index_of(names: &[&str], name: &str) -> usize {
    names.iter().position(|other| *other == name).unwrap_or(names.len() - 1)
}

fn end_name(downstream: &CloseReason, upstream: &CloseReason) -> &'static str {
    let ends = [downstream, upstream];
    let any = |is: fn(&CloseReason) -> bool| ends.into_iter().any(is);
    if any(|end| matches!(end, CloseReason::NotOpened(_))) {
        "not_opened"
    } else if any(|end| matches!(end, CloseReason::Failed(_))) {
        "failed"
    } else if any(|end| matches!(end, CloseReason::Aborted)) {
        "aborted"
    } else if ends == [&CloseReason::Finished, &CloseReason::Finished] {
        "clean"
    } else if any(|end| matches!(end, CloseReason::Closed)) {
        "closed"
    } else {
        "cut"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_explains_the_other_is_counted() {
        let not_opened = || CloseReason::NotOpened("refused".to_owned());
        let failed = || CloseReason::Failed("no answer".to_owned());
        for (one, other, expected) in [
            (CloseReason::Finished, CloseReason::Finished, "clean"),
            (CloseReason::AbortedByRelay, CloseReason::AbortedByRelay, "cut"),
            (CloseReason::Closed, CloseReason::Closed, "closed"),
            (CloseReason::Finished, CloseReason::AbortedByRelay, "cut"),
            (CloseReason::AbortedByRelay, CloseReason::Aborted, "aborted"),
            (CloseReason::Finished, CloseReason::Aborted, "aborted"),
            (failed(), CloseReason::Aborted, "failed"),
            (failed(), CloseReason::AbortedByRelay, "failed"),
            (not_opened(), CloseReason::AbortedByRelay, "not_opened"),
            (not_opened(), failed(), "not_opened"),
        ] {
            assert_eq!(end_name(&one, &other), expected, "{one}, {other}");
            assert_eq!(end_name(&other, &one), expected, "{other}, {one}");
            assert!(ENDS.contains(&expected));
        }
    }
}
