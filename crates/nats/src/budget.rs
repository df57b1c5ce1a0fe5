//! Memory budget of the sessions of a process: data that has arrived and is not read, and data that was sent and is not
//! delivered.
//!
//! Peers decide how much data that is: some send faster than this end delivers, or grant credit and never acknowledge.
//! So each queue gets at most a part of what the others leave (dynamic thresholds, Choudhury and Hahne 1998). The
//! largest queues reach that limit first, and small ones can go on. Queues that never move would still fill the budget.
//! When it is full, the sessions with the largest stalled queues are ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fault_proxy_relay::Throttle;
use tokio::time::Instant;
use tracing::warn;

/// Every queue may hold this much. Otherwise a full budget would stop all sessions permanently.
pub(crate) const MIN_SHARE: usize = 4 << 10;
/// Memory of a queue's entry in addition to its bytes.
const ENTRY: usize = 128;
/// Size of a read buffer of async-nats. The buffer stays in memory as long as one of its payloads does.
const READ_BUFFER: usize = 64 << 10;
/// Minimum size of payloads that stay in their read buffer.
const MIN_PINNING: usize = READ_BUFFER / 4;
/// Time without progress after which a queue of more than [`MAX_STALLED`] bytes is ended if the budget is full.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_STALLED: usize = 64 << 10;
const WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// Reason why a session is ended.
pub(crate) const OUT_OF_MEMORY: &str =
    "this end's memory limit is reached, and the session holds too much of it";
/// Minimum amount that a new session must be able to hold. Otherwise it is refused.
const MIN_FREE: usize = 1 << 20;

/// Memory for the sessions of a process, in bytes.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    held: AtomicUsize,
    /// Bytes left for the windows of all sessions beyond their first size.
    windows: AtomicUsize,
    is_short: AtomicBool,
    warnings: Throttle,
}

impl MemoryBudget {
    /// Maximum size of all windows of a NATS connection. NATS closes a connection with 64 MiB pending (`max_pending`).
    const MAX_WINDOWS: usize = 48 << 20;

    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicUsize::new(0),
            windows: AtomicUsize::new(Self::MAX_WINDOWS.min(limit / 4)),
            is_short: AtomicBool::new(false),
            warnings: Throttle::every(WARNING_INTERVAL),
        })
    }

    /// Exchanges `held` bytes of windows for up to `wanted` bytes, and returns how many were granted. A session gets at
    /// most two thirds of what the others leave, so windows are never used up and all sessions that want more get the
    /// same.
    pub(crate) fn exchange_window(&self, held: usize, wanted: usize) -> usize {
        let mut granted = held;
        let wanted = wanted.min(held + self.room(held));
        // Never fails, because the function always returns a value.
        let _ = self.windows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            let available = left + held;
            granted = wanted.min(available / 3 * 2);
            Some(available - granted)
        });
        granted
    }

    fn free(&self) -> usize {
        self.limit.saturating_sub(self.held.load(Ordering::Relaxed))
    }

    /// Returns how much may be in flight to a reader whose window holds `held`.
    pub(crate) fn window_room(&self, held: usize) -> usize {
        held + self.room(held).max(MIN_SHARE)
    }

    /// Returns how much more a queue may hold: a third of what the others leave. A quarter of the budget is reserved
    /// for data that peers were already allowed to send.
    fn room(&self, held: usize) -> usize {
        let free = self.free().saturating_sub(self.limit / 4);
        ((free + held) / 3).saturating_sub(held)
    }

    /// Returns true if there is too little left for a new session.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = self.room(0) < MIN_FREE.min(self.limit / 16);
        if is_full {
            self.set_short();
        }
        is_full
    }

    fn set_short(&self) {
        self.is_short.store(true, Ordering::Relaxed);
    }

    /// Returns true if a session was stopped, ended or refused since the last call.
    fn take_shortage(&self) -> bool {
        self.is_short.load(Ordering::Relaxed) && self.is_short.swap(false, Ordering::Relaxed)
    }

    /// Warns if a session was stopped, ended or refused, at most every 10 s.
    pub(crate) fn report_shortage(&self) {
        if self.take_shortage() && self.warnings.pass(Instant::now(), "").is_some() {
            let held = self.held.load(Ordering::Relaxed);
            // Without the span of a session: the limit applies to all sessions together.
            warn!(parent: None, limit = self.limit, held, "memory limit reached, the sessions that hold the most memory wait or end");
        }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// The part of the budget that one queue holds. Dropping it returns that part.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<MemoryBudget>,
    held: usize,
    /// When the queue last moved.
    moved: Duration,
}

impl Share {
    pub(crate) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, held: 0, moved: Duration::ZERO }
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn set(&mut self, held: usize) {
        match held.checked_sub(self.held) {
            Some(0) => return,
            Some(more) => self.budget.held.fetch_add(more, Ordering::Relaxed),
            None => self.budget.held.fetch_sub(self.held - held, Ordering::Relaxed),
        };
        self.held = held;
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.set(self.held + bytes);
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.set(self.held.saturating_sub(bytes));
    }

    /// Records that the queue has moved or was empty.
    pub(crate) fn on_progress(&mut self, now: Duration) {
        self.moved = now;
    }

    /// Returns the time of the next call to [`must_end`](Self::must_end).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        (self.held > MAX_STALLED).then(|| self.moved + STALL_TIMEOUT)
    }

    /// Returns true if the budget is full and the queue has not moved for too long. Otherwise the caller must ask again
    /// after the same time.
    pub(crate) fn must_end(&mut self, now: Duration) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.moved = now;
        // Also if each queue is small: many of them would prevent new sessions forever.
        self.budget.is_full()
    }

    /// Returns how much may be added now: 0, or at least enough for a useful message.
    pub(crate) fn room(&self) -> usize {
        let room = self.budget.room(self.held);
        if room >= MIN_SHARE {
            return room;
        }
        self.budget.set_short();
        if self.held == 0 { MIN_SHARE } else { 0 }
    }

    /// Returns true if `held` is at most a third of what the other queues leave.
    pub(crate) fn is_fair(&self, held: usize) -> bool {
        self.allows(held, self.budget.room(self.held))
    }

    /// Returns true if the budget has enough left for the queue to hold `held`.
    pub(crate) fn fits(&self, held: usize) -> bool {
        self.allows(held, self.budget.free())
    }

    fn allows(&self, held: usize, more: usize) -> bool {
        let is_allowed = held <= (self.held + more).max(MIN_SHARE);
        if !is_allowed {
            self.budget.set_short();
        }
        is_allowed
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Returns the memory that a queue entry with this many bytes takes.
pub(crate) fn entry_size(bytes: usize) -> usize {
    bytes + ENTRY
}

/// Copies a payload out of the buffer that it was read into, unless it fills a large part of the buffer.
pub(crate) fn unpin(payload: Bytes) -> Bytes {
    if payload.len() < MIN_PINNING { Bytes::copy_from_slice(&payload) } else { payload }
}

/// Returns the memory that an entry with an [unpinned](unpin) payload takes: at least half of a read buffer if it was
/// not copied.
pub(crate) fn payload_size(len: usize) -> usize {
    entry_size(if len < MIN_PINNING { len } else { len.max(READ_BUFFER / 2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_equal_and_never_use_the_budget_up() {
        let budget = MemoryBudget::new(100 << 20);
        let mut shares: Vec<_> = (0..20).map(|_| Share::new(Arc::clone(&budget))).collect();
        let room = shares[0].room();
        shares[0].set(room);
        assert_eq!(shares[0].held, 25 << 20);
        for _ in 0..100 {
            for share in &mut shares {
                let held = share.held.min(share.held / 2 + share.room());
                share.set(held);
                share.add(share.room());
            }
        }
        let (least, most) =
            (shares.iter().map(|share| share.held).min(), shares.iter().map(|share| share.held).max());
        assert!(most <= least.map(|least| 2 * least), "{least:?} {most:?}");
        assert!(budget.held() < 75 << 20 && !budget.is_full());
        drop(shares);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_full_budget_leaves_each_queue_a_little() {
        let budget = MemoryBudget::new(16 << 20);
        let mut hog = Share::new(Arc::clone(&budget));
        hog.set(16 << 20);
        let mut small = Share::new(Arc::clone(&budget));
        assert_eq!((hog.room(), small.room()), (0, MIN_SHARE));
        assert!(small.fits(MIN_SHARE) && !small.fits(MIN_SHARE + 1) && !hog.is_fair((16 << 20) + 1));
        small.set(1);
        assert_eq!(small.room(), 0);
        assert!(budget.is_full() && budget.take_shortage() && !budget.take_shortage());
        drop(hog);
        assert!(!budget.is_full() && small.room() > 1 << 20);
    }

    #[test]
    fn stalled_queues_that_hold_little_each_do_not_keep_the_budget_full() {
        let budget = MemoryBudget::new(12 << 20);
        let mut shares = Vec::new();
        while !budget.is_full() {
            let mut share = Share::new(Arc::clone(&budget));
            share.set(MAX_STALLED + 1);
            shares.push(share);
        }
        assert!(shares[0].room() > 0 && !shares[0].must_end(STALL_TIMEOUT / 2));
        let before = shares.len();
        shares.retain_mut(|share| !share.must_end(STALL_TIMEOUT));
        assert_eq!((shares.len(), budget.is_full()), (before - 1, false));
    }

    #[test]
    fn small_payloads_leave_their_read_buffer() {
        let buffer = Bytes::from(vec![7; READ_BUFFER]);
        let small = unpin(buffer.slice(..10));
        assert!(buffer.is_unique() && small == [7; 10][..]);
        let large = unpin(buffer.slice(..20_000));
        assert!(!buffer.is_unique() && large.len() == 20_000);
        assert_eq!([10, 20_000, 40_000].map(payload_size), [10, READ_BUFFER / 2, 40_000].map(entry_size));
    }
}
