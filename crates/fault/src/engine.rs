//! What all proxies of a process share: the seed, the clock's zero, the memory, the journal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::effect::Fault;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::plan::Buckets;

/// What an engine is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The same seed gives the same decisions. Default 0.
    pub seed: u64,
    /// Bytes that one flow holds at most before its source has to wait. Default 64 MiB.
    pub flow_limit: usize,
    /// Bytes that all flows hold together before their sources have to wait. Default 1 GiB.
    pub total_limit: usize,
    /// Who is told of every decision, if anyone.
    pub journal: Option<Journal>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, flow_limit: 64 << 20, total_limit: 1 << 30, journal: None }
    }
}

/// The faults of any number of proxies.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    origin: Instant,
    held: AtomicUsize,
    buckets: Mutex<HashMap<String, Arc<Buckets>>>,
}

impl Engine {
    /// Starts the run: schedules count from now on.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared {
            settings,
            origin: Instant::now(),
            held: AtomicUsize::new(0),
            buckets: Mutex::default(),
        }))
    }

    /// The faults of a proxy. Its name and the seed decide the draws of its sessions.
    pub fn proxy(&self, name: &str, faults: Vec<Fault>) -> Faults {
        Faults::new(Arc::clone(&self.0), name, faults)
    }

    /// The time since the start of the run.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// Bytes that all flows hold at this moment.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }
}

impl Shared {
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
        own == 0
            || own < self.settings.flow_limit && self.held.load(Ordering::Relaxed) < self.settings.total_limit
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
        Arc::clone(buckets.entry(fault.to_owned()).or_default())
    }
}
