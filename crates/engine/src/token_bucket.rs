//! A token bucket of atomic counters: the generic cell rate algorithm (ITU-T I.371, annex A) counted in
//! bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tokens of all sessions that share a bandwidth. Times are in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// Time at which the next byte may leave if all earlier bytes left as early as possible.
    free: AtomicU64,
    /// Time at which the last chunk that had to wait left.
    limited: AtomicU64,
    /// Length of that chunk, or 0 if a chunk that did not have to wait has left since then.
    limited_len: AtomicU64,
}

/// Tokens that were taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Time at which the chunk may leave.
    pub(crate) due: u64,
    /// True if the bucket was still in debt for earlier chunks.
    continues: bool,
    /// Time that the bytes take at the configured rate.
    cost: u64,
}

impl TokenBucket {
    /// Takes tokens for a time of `cost`, from `at` on. A credit of up to `burst` is used first.
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

    /// Records that a chunk leaves that did not have to wait. The bucket has credit, so the bandwidth does
    /// not limit anything.
    pub(crate) fn leave_freely(&self) {
        if self.limited_len.load(Ordering::Relaxed) > 0 {
            self.limited_len.store(0, Ordering::Relaxed);
        }
    }

    /// Records that a chunk that had to wait leaves at `now`. Returns the bytes that left while the bandwidth
    /// was the limit, and the time that they took.
    ///
    /// The result is about the time since the previous chunk that had to wait, in which that chunk left. The
    /// time before the first such chunk does not count, because its tokens were partly credit. All users of
    /// the bucket share the time.
    pub(crate) fn leave_limited(&self, now: u64, taken: Taken, len: u64) -> Option<(u64, u64)> {
        let before = self.limited_len.swap(len, Ordering::Relaxed);
        if before > 0 && taken.continues {
            let last = self.limited.fetch_max(now, Ordering::Relaxed);
            Some((before, now.saturating_sub(last)))
        } else {
            // A late call with `now` would make the time too short.
            self.limited.fetch_max(taken.due, Ordering::Relaxed);
            None
        }
    }
}
