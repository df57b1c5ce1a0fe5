//! State that all proxies of a process share: the seed, the start of the run, the memory and the journal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::journal::Journal;
use crate::pipeline::plan::Buckets;

/// Settings of an engine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Seed of all random draws. The same seed gives the same decisions. Defaults to 0.
    pub seed: u64,
    /// Maximum number of bytes that one flow holds before its source has to wait. The memory that this takes may
    /// exceed the limit by half. Defaults to 64 MiB.
    pub flow_limit: usize,
    /// Maximum number of bytes that all flows hold before their sources have to wait. The memory that this takes may
    /// exceed the limit by half. Defaults to 1 GiB.
    pub total_limit: usize,
    /// Journal that records all decisions, if any.
    pub journal: Option<Journal>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, flow_limit: 64 << 20, total_limit: 1 << 30, journal: None }
    }
}

/// The fault engine of a process. It creates the faults of any number of proxies.
#[derive(Debug, Clone)]
pub struct Engine(pub(crate) Arc<Shared>);

impl Engine {
    /// Creates an engine and starts the run. Times of schedules count from now on.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared::new(settings)))
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.0.settings.seed
    }

    /// Returns the time since the start of the run.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// Returns the number of bytes that all flows hold now.
    pub fn held(&self) -> usize {
        self.0.held()
    }
}

/// Memory that a flow may take even if its limit is lower: its first block and a few chunks.
const MIN_MEMORY: usize = 16 << 10;

/// State that all proxies share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    origin: Instant,
    held: AtomicUsize,
    /// Memory that flows have allocated for the bytes that they hold and for their chunks.
    memory: AtomicUsize,
    /// Buckets by the name of their fault. An entry ends with the last fault of that name.
    buckets: Mutex<HashMap<String, Weak<Buckets>>>,
}

impl Shared {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            origin: Instant::now(),
            held: AtomicUsize::new(0),
            memory: AtomicUsize::new(0),
            buckets: Mutex::default(),
        }
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn instant(&self, at: Duration) -> Instant {
        // Far in the future, but not so far that arithmetic with it overflows.
        const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);
        self.origin + at.min(NEVER)
    }

    /// Returns true if a flow that already holds `own` bytes in `memory` may read more. A flow that does not
    /// hold any bytes always may. The memory may exceed each limit by half, since blocks are not always full.
    pub(crate) fn has_room(&self, own: usize, memory: usize) -> bool {
        let Settings { flow_limit, total_limit, .. } = self.settings;
        let for_memory = |limit: usize| limit.saturating_add(limit / 2);
        own == 0
            || own < flow_limit
                && memory < for_memory(flow_limit).max(MIN_MEMORY)
                && self.held() < total_limit
                && self.memory.load(Ordering::Relaxed) < for_memory(total_limit)
    }

    /// Returns the maximum number of bytes that a flow should make room for in one step.
    pub(crate) fn room(&self) -> usize {
        let rest = self.settings.total_limit.saturating_sub(self.held());
        (self.settings.flow_limit / 4).min(rest)
    }

    pub(crate) fn add_held(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Changes the counted memory of a flow from `before` to `after`.
    pub(crate) fn charge(&self, before: usize, after: usize) {
        if after > before {
            self.memory.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.memory.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove_held(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the buckets that all faults of this name share.
    pub(crate) fn buckets(&self, fault: &str) -> Arc<Buckets> {
        let mut buckets = self.buckets.lock();
        buckets.retain(|_, shared| shared.strong_count() > 0);
        let existing = buckets.get(fault).and_then(Weak::upgrade);
        existing.unwrap_or_else(|| {
            let shared = Arc::default();
            buckets.insert(fault.to_owned(), Arc::downgrade(&shared));
            shared
        })
    }
}
