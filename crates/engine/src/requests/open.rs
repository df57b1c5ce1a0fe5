//! The requests of a session whose responses were not delivered completely.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Outcome, Request};

use super::count::{KindCounters, NewCounts, RequestCounters, add_one};

/// Maximum number of kinds that a session counts separately, the number of bits of a set.
const MAX_KINDS: usize = 64;

/// The requests of a session whose responses were not delivered completely.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    /// Their numbers follow each other.
    open: VecDeque<OpenRequest>,
    first: u64,
    /// The kinds of the session's requests.
    kinds: Vec<(Arc<KindCounters>, NewCounts)>,
}

#[derive(Debug, Clone, Copy)]
struct OpenRequest {
    /// Bit set of the positions of its kinds.
    kinds: u64,
    begun: Duration,
    executed: Executed,
    /// The proxy responds to it.
    is_injected: bool,
    /// It was written to the upstream.
    is_forwarded: bool,
    /// Its response was delivered or dropped.
    is_done: bool,
}

/// Kinds of a request that the upstream has executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Executed {
    Nothing,
    /// All but `commit` of PostgreSQL, which has rolled back, and EXEC of Redis, which has discarded the transaction.
    AllButCommit,
    OnlyCommit,
    All,
}

impl Executed {
    /// Returns true if the statements or commands of this kind were executed.
    fn has(self, kind: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::AllButCommit => !matches!(kind, "commit" | "EXEC"),
            Self::OnlyCommit => kind == "commit",
            Self::All => true,
        }
    }
}

impl OpenRequests {
    /// Adds the next request.
    pub(super) fn begin(&mut self, counters: &RequestCounters, now: Duration, request: &Request<'_>) {
        let kinds = request.kinds.iter().fold(0, |set, kind| set | 1 << self.position(counters, kind));
        if self.open.is_empty() {
            self.first = request.number;
        }
        self.open.push_back(OpenRequest {
            kinds,
            begun: now,
            executed: Executed::Nothing,
            is_injected: false,
            is_forwarded: false,
            is_done: false,
        });
        self.count(kinds, |_, new| new.requests += 1);
    }

    /// Further kinds of the last request are known.
    pub(super) fn add_kinds(&mut self, counters: &RequestCounters, request: u64, kinds: &[&str]) {
        let found = kinds.iter().fold(0, |set, kind| set | 1 << self.position(counters, kind));
        if let Some(open) = self.get(request) {
            open.kinds |= found;
            self.count(found, |_, new| new.requests += 1);
        }
    }

    /// Returns true if no request has begun behind this one.
    pub(super) fn is_last(&self, request: u64) -> bool {
        self.first + self.open.len() as u64 <= request + 1
    }

    fn position(&mut self, counters: &RequestCounters, kind: &str) -> usize {
        let known = self.kinds.iter().position(|(counters, _)| *counters.kind == *kind);
        known.unwrap_or_else(|| {
            if self.kinds.len() < MAX_KINDS {
                self.kinds.push((counters.of(kind), NewCounts::default()));
            }
            self.kinds.len() - 1
        })
    }

    fn get(&mut self, request: u64) -> Option<&mut OpenRequest> {
        let index = usize::try_from(request.checked_sub(self.first)?).ok()?;
        self.open.get_mut(index)
    }

    fn count(&mut self, kinds: u64, count: impl Fn(&KindCounters, &mut NewCounts)) {
        let mut rest = kinds;
        while rest != 0 {
            let (counters, new) = &mut self.kinds[rest.trailing_zeros() as usize];
            count(counters, new);
            rest &= rest - 1;
        }
    }

    /// Adds the new counts to those of the proxy.
    pub(super) fn publish(&mut self) {
        self.kinds.iter_mut().for_each(|(counters, new)| counters.add(new));
    }

    /// The request was written to the upstream.
    pub(super) fn forward(&mut self, request: u64) {
        if let Some(open) = self.get(request) {
            open.is_forwarded = true;
            let kinds = open.kinds;
            self.count(kinds, |_, new| new.forwarded += 1);
        }
        self.forget_done();
    }

    /// The upstream has sent the response.
    pub(super) fn answer(&mut self, request: u64, outcome: Outcome<'_>) {
        let Some(open) = self.get(request).filter(|open| !open.is_injected) else { return };
        open.executed = match outcome {
            Outcome::Success => Executed::All,
            Outcome::RolledBack | Outcome::Null => Executed::AllButCommit,
            Outcome::FailureAfterCommit(_) => Executed::OnlyCommit,
            Outcome::Queued | Outcome::Failure(_) | Outcome::Skipped => Executed::Nothing,
        };
        let kinds = open.kinds;
        self.count(kinds, |_, new| new.answered += 1);
    }

    /// Counts what was executed of a request whose response does not reach the client.
    fn count_unconfirmed(&mut self, open: &OpenRequest) {
        let executed = open.executed;
        self.count(open.kinds, |counters, _| {
            if executed.has(&counters.kind) {
                add_one(&counters.unconfirmed);
            }
        });
    }

    /// The upstream does not receive the request.
    pub(super) fn replace(&mut self, request: u64) {
        if let Some(open) = self.get(request) {
            open.is_injected = true;
        }
    }

    /// The proxy responds to the request, which it has replaced.
    pub(super) fn inject(&mut self, request: u64) {
        if let Some(kinds) = self.get(request).map(|open| open.kinds) {
            self.count(kinds, |counters, _| add_one(&counters.injected));
        }
    }

    /// The response was written to the client.
    pub(super) fn deliver(&mut self, request: u64, now: Duration) {
        if let Some(open) = self.finish(request)
            && !open.is_injected
        {
            let duration = now.saturating_sub(open.begun);
            self.count(open.kinds, |counters, new| counters.deliver(new, duration));
        }
        self.forget_done();
    }

    /// The response was dropped.
    pub(super) fn lose(&mut self, request: u64) {
        if let Some(open) = self.finish(request) {
            self.count_unconfirmed(&open);
        }
        self.forget_done();
    }

    /// Returns a request that is done now.
    fn finish(&mut self, request: u64) -> Option<OpenRequest> {
        let open = self.get(request).filter(|open| !open.is_done)?;
        open.is_done = true;
        Some(*open)
    }

    /// An upstream may respond before it has received the request.
    fn forget_done(&mut self) {
        let is_over = |open: &OpenRequest| open.is_done && (open.is_forwarded || open.is_injected);
        while self.open.front().is_some_and(is_over) {
            self.open.pop_front();
            self.first += 1;
        }
    }
}

/// Responses that were not delivered by the end of the session are lost.
impl Drop for OpenRequests {
    fn drop(&mut self) {
        for open in std::mem::take(&mut self.open) {
            if !open.is_done {
                self.count_unconfirmed(&open);
            }
        }
    }
}
