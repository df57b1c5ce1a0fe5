//! What all proxies share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use crate::line::plan::Buckets;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    origin: Instant,
    held: AtomicUsize,
    /// By the name of the fault, as long as one has it.
    buckets: Mutex<HashMap<String, Weak<Buckets>>>,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, origin: Instant::now(), held: AtomicUsize::new(0), buckets: Mutex::default() }
    }

    pub(super) fn held(&self) -> usize {
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

    /// Whether there is room for a flow that already holds `own` bytes. One that holds none always has.
    pub(crate) fn has_room(&self, own: usize) -> bool {
        own == 0 || own < self.settings.flow_limit && self.held() < self.settings.total_limit
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The buckets of all faults of this name.
    pub(crate) fn buckets(&self, fault: &str) -> Arc<Buckets> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, shared| shared.strong_count() > 0);
        let existing = buckets.get(fault).and_then(Weak::upgrade);
        existing.unwrap_or_else(|| {
            let shared = Arc::default();
            buckets.insert(fault.to_owned(), Arc::downgrade(&shared));
            shared
        })
    }
}
