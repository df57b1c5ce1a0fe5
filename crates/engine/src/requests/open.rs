//! The requests of a session whose responses were not delivered completely.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Outcome, Request};

use super::count::{KindCounters, NewCounts, OTHER, RequestCounters, RequestStats, add_one};
use crate::journal::nanos;

/// The requests of a session whose responses were not delivered completely.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    /// Their numbers follow each other.
    open: VecDeque<OpenRequest>,
    first: u64,
    /// The kinds of the session's requests.
    kinds: Vec<(Arc<KindCounters>, NewCounts)>,
    /// Position of the kind of the last request.
    last_kind: usize,
}

/// Set of kinds, as bits at their positions. It has room for all kinds that a proxy counts separately, and for `other`.
pub(super) type KindSet = u64;

const _: () = assert!(RequestStats::MAX_KINDS < KindSet::BITS as usize);

#[derive(Debug, Clone, Copy)]
struct OpenRequest {
    kinds: KindSet,
    /// In nanoseconds.
    begun: u64,
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
    /// Adds the next request. Returns its kinds.
    #[inline]
    pub(super) fn begin(
        &mut self,
        counters: &RequestCounters,
        now: Duration,
        request: &Request<'_>,
    ) -> KindSet {
        let kinds = request.kinds.iter().fold(0, |set, kind| set | 1 << self.position(counters, kind));
        if self.open.is_empty() {
            self.first = request.number;
        }
        self.open.push_back(OpenRequest {
            kinds,
            begun: nanos(now),
            executed: Executed::Nothing,
            is_injected: false,
            is_forwarded: false,
            is_done: false,
        });
        self.count(kinds, |_, new| new.requests += 1);
        kinds
    }

    /// Returns the number of kinds.
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// Returns those kinds of which `is_meant` is true, without `other`, which may be several kinds.
    pub(super) fn kinds_where(&self, is_meant: impl Fn(&str) -> bool) -> KindSet {
        let is_meant = |kind: &str| kind != OTHER && is_meant(kind);
        let kinds = self.kinds.iter().enumerate();
        kinds.fold(0, |set, (place, (counters, _))| set | (u64::from(is_meant(&counters.kind)) << place))
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

    /// Returns the position of a kind. It is most often that of the request before.
    #[inline]
    fn position(&mut self, counters: &RequestCounters, kind: &str) -> usize {
        if self.kinds.get(self.last_kind).is_none_or(|(counters, _)| *counters.kind != *kind) {
            self.last_kind = self.find_position(counters, kind);
        }
        self.last_kind
    }

    #[inline(never)]
    fn find_position(&mut self, counters: &RequestCounters, kind: &str) -> usize {
        if let Some(known) = self.kinds.iter().position(|(counters, _)| *counters.kind == *kind) {
            return known;
        }
        // Kinds beyond the limit of the proxy have the same counters.
        let counters = counters.of(kind);
        let known = self.kinds.iter().position(|(other, _)| Arc::ptr_eq(other, &counters));
        known.unwrap_or_else(|| {
            self.kinds.push((counters, NewCounts::default()));
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
    }

    /// The upstream has sent the response.
    #[inline]
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
    #[inline]
    pub(super) fn deliver(&mut self, request: u64, now: Duration) {
        let Some(open) = self.get(request).filter(|open| !open.is_done) else { return };
        open.is_done = true;
        if !open.is_injected {
            let (kinds, duration) = (open.kinds, nanos(now).saturating_sub(open.begun));
            self.count(kinds, |counters, new| counters.deliver(new, duration));
        }
    }

    /// The response was dropped.
    pub(super) fn lose(&mut self, request: u64) {
        if let Some(open) = self.get(request).filter(|open| !open.is_done) {
            open.is_done = true;
            let open = *open;
            self.count_unconfirmed(&open);
        }
    }

    /// Forgets requests that are done. An upstream may respond before it has received the request.
    pub(super) fn forget_done(&mut self) {
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
