//! A token bucket in atomics: the generic cell rate algorithm (ITU-T I.371, annex A) counted in bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// The tokens that are shared by all who share the bandwidth. Times are in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// Time at which the next byte may leave if all earlier bytes left as early as possible.
    free: AtomicU64,
    /// Time at which the last chunk that had to wait left.
    limited: AtomicU64,
    /// The length of that chunk; 0 if a chunk has left since then that did not have to wait.
    limited_len: AtomicU64,
}

/// Tokens that were taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Time at which the chunk may leave.
    pub(crate) due: u64,
    /// True if the bucket was still in debt for earlier chunks.
    continues: bool,
    /// The time that the bytes take.
    cost: u64,
}

impl TokenBucket {
    /// Takes `cost` at `at`; it is paid for with `burst` of credit.
    pub(crate) fn take(&self, at: u64, cost: u64, burst: u64) -> Taken {
        let after = |free: u64| free.max(at).saturating_add(cost);
        let free = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| Some(after(free)));
        let free = free.unwrap_or_else(|free| free);
        Taken { due: after(free).saturating_sub(burst).max(at), continues: free >= at, cost }
    }

    /// Returns the tokens of a chunk that does not leave to the bucket.
    pub(crate) fn give_back(&self, taken: Taken) {
        let before = |free: u64| Some(free.saturating_sub(taken.cost));
        let _ = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, before);
    }

    /// A chunk that did not have to wait leaves: there is credit, so the bandwidth does not limit anything.
    pub(crate) fn leave_freely(&self) {
        if self.limited_len.load(Ordering::Relaxed) > 0 {
            self.limited_len.store(0, Ordering::Relaxed);
        }
    }

    /// A chunk that had to wait leaves at `now`. Returns the bytes that left in a time in which the bandwidth was the limit,
    /// and that time.
    ///
    /// From one such chunk to the next, what leaves is the first. The time before the first chunk that waits does not
    /// count, because its tokens were credit in part. What shares the bucket shares the time.
    pub(crate) fn leave_limited(&self, now: u64, taken: Taken, len: u64) -> Option<(u64, u64)> {
        let before = self.limited_len.swap(len, Ordering::Relaxed);
        if before > 0 && taken.continues {
            let last = self.limited.fetch_max(now, Ordering::Relaxed);
            Some((before, now.saturating_sub(last)))
        } else {
            // Not `now`: a late look would make the time too short.
            self.limited.fetch_max(taken.due, Ordering::Relaxed);
            None
        }
    }
}
