//! Buffers and pipes for busy flows. A quiet flow does not hold any.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::sys::Pipe;

/// Size of a read without a buffer from the pool, in bytes.
pub(crate) const SMALL_READ: usize = 16 << 10;
/// Sizes of buffers, in bytes. A buffer of the first size holds the rest of a small read. The reads of a busy flow grow
/// through the other sizes. The largest size is also the capacity of a pipe.
const SIZES: [usize; 4] = [SMALL_READ, 64 << 10, 256 << 10, 1 << 20];
/// Maximum number of free bytes of each size that are kept for the next busy flow. Further buffers are returned to the
/// allocator.
const KEPT_FREE: usize = 4 << 20;
const KEPT_PIPES: usize = 8;
/// Maximum number of pipes in use. Unprivileged users share 64 MiB of pipe memory (pipe(7), pipe-user-pages-soft).
const MAX_PIPES: usize = 32;

/// Size of a flow's next read: a read without a pooled buffer, or one of [`SIZES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Size(usize);

impl Size {
    pub(crate) const SMALL: Self = Self(0);
    pub(crate) const LARGEST: Self = Self(SIZES.len() - 1);

    /// Returns the size of the next read after a read of `got` bytes into a buffer of `room` bytes.
    pub(crate) fn after_read(self, got: usize, room: usize) -> Self {
        if got == room {
            Self(self.0 + 1).min(Self::LARGEST)
        } else if got < room / 4 {
            Self(self.0.saturating_sub(1))
        } else {
            self
        }
    }
}

/// Buffers and pipes that the sessions of a relay share.
#[derive(Debug)]
pub(crate) struct Pool {
    free: [Mutex<Vec<Box<[u8]>>>; SIZES.len()],
    pipes: Mutex<Vec<Pipe>>,
    lent_bytes: AtomicUsize,
    lent_pipes: AtomicUsize,
    budget: usize,
}

impl Pool {
    /// Returns a pool that lends at most `budget` bytes. Beyond that, flows use small reads.
    pub(crate) fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Default::default(),
            pipes: Mutex::default(),
            lent_bytes: AtomicUsize::new(0),
            lent_pipes: AtomicUsize::new(0),
            budget,
        })
    }

    /// Returns a buffer of `size`, or a smaller one if the budget requires it. Returns `None` if the budget is used up.
    pub(crate) fn lease(self: &Arc<Self>, size: Size) -> Option<Lease> {
        let room = self.budget.saturating_sub(self.lent_bytes.load(Ordering::Relaxed));
        (1..=size.0).rev().find(|index| SIZES[*index] <= room).map(|index| self.lend(index))
    }

    /// Returns a buffer for bytes that were read and cannot be forwarded yet. It may exceed the budget, because these
    /// bytes must not be lost: at most [`SMALL_READ`] bytes per flow, and the content of its pipe.
    pub(crate) fn lease_for(self: &Arc<Self>, length: usize) -> Lease {
        debug_assert!(length <= SIZES[Size::LARGEST.0], "flows read no more than the largest buffer");
        self.lend(SIZES.iter().position(|size| *size >= length).unwrap_or(Size::LARGEST.0))
    }

    fn lend(self: &Arc<Self>, index: usize) -> Lease {
        let reused = self.free[index].lock().pop();
        let bytes = reused.unwrap_or_else(|| vec![0; SIZES[index]].into_boxed_slice());
        self.lent_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        Lease { bytes, index, pool: Arc::clone(self) }
    }

    /// Returns an empty pipe, or `None` if [`MAX_PIPES`] are in use or the system cannot open one.
    pub(crate) fn pipe(self: &Arc<Self>) -> Option<PipeLease> {
        if self.lent_pipes.fetch_add(1, Ordering::Relaxed) < MAX_PIPES
            && let Some(pipe) = self.pipes.lock().pop().or_else(|| Pipe::open(SIZES[Size::LARGEST.0]))
        {
            return Some(PipeLease { pipe: Some(pipe), filled: 0, pool: Arc::clone(self) });
        }
        self.lent_pipes.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

/// A borrowed buffer. Dropping it returns it to the pool.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) bytes: Box<[u8]>,
    index: usize,
    pool: Arc<Pool>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.lent_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        let mut free = self.pool.free[self.index].lock();
        if free.len() * bytes.len() < KEPT_FREE {
            free.push(bytes);
        }
    }
}

/// A borrowed pipe. Dropping it returns it to the pool, unless it still contains data.
#[derive(Debug)]
pub(crate) struct PipeLease {
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    pub(crate) filled: usize,
    pool: Arc<Pool>,
}

impl PipeLease {
    pub(crate) fn pipe(&self) -> &Pipe {
        self.pipe.as_ref().expect("taken only on drop")
    }
}

impl Drop for PipeLease {
    fn drop(&mut self) {
        self.pool.lent_pipes.fetch_sub(1, Ordering::Relaxed);
        let Some(pipe) = self.pipe.take().filter(|_| self.filled == 0) else { return };
        let mut pipes = self.pool.pipes.lock();
        if pipes.len() < KEPT_PIPES {
            pipes.push(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_reads_grow_and_nearly_empty_ones_shrink() {
        let mut size = Size::SMALL;
        for _ in 0..5 {
            size = size.after_read(100, 100);
        }
        assert_eq!(size, Size::LARGEST);
        assert_eq!(size.after_read(50, 100), Size::LARGEST);
        for _ in 0..5 {
            size = size.after_read(1, 100);
        }
        assert_eq!(size, Size::SMALL);
    }

    #[test]
    fn the_budget_makes_buffers_smaller_and_then_none() {
        let pool = Pool::new(SIZES[3] + SIZES[1]);
        let largest = pool.lease(Size::LARGEST).expect("room for it");
        assert_eq!(largest.bytes.len(), SIZES[3]);
        let smaller = pool.lease(Size::LARGEST).expect("room for a small one");
        assert_eq!(smaller.bytes.len(), SIZES[1]);
        assert!(pool.lease(Size::LARGEST).is_none());
        assert_eq!(
            pool.lease_for(SMALL_READ).bytes.len(),
            SMALL_READ,
            "bytes already read have a place in any case"
        );
        drop(largest);
        assert!(pool.lease(Size::LARGEST).is_some());
    }

    #[test]
    fn free_buffers_are_kept_up_to_a_limit() {
        let pool = Pool::new(usize::MAX);
        let leases: Vec<_> = (0..100).map(|_| pool.lease(Size::LARGEST).expect("no limit")).collect();
        drop(leases);
        assert_eq!(pool.free[3].lock().len(), KEPT_FREE / SIZES[3]);
        assert_eq!(pool.lent_bytes.load(Ordering::Relaxed), 0);
    }

    #[cfg(all(target_os = "linux", not(portable)))]
    #[test]
    fn pipes_are_limited_and_one_with_bytes_left_is_not_used_again() {
        let pool = Pool::new(0);
        let mut pipes: Vec<_> = std::iter::from_fn(|| pool.pipe()).collect();
        assert!(!pipes.is_empty() && pipes.len() <= MAX_PIPES);
        assert!(pool.pipe().is_none());
        pipes.truncate(1);
        let kept = pool.pipes.lock().len();
        assert!(kept <= KEPT_PIPES);
        pipes[0].filled = 1;
        drop(pipes);
        assert_eq!(pool.pipes.lock().len(), kept);
        assert_eq!(pool.lent_pipes.load(Ordering::Relaxed), 0);
    }
}
