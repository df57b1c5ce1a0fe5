//! What all proxies of a process share: the seed, the clock's zero, the memory, the journal.

mod shared;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::shared::Shared;
use crate::effect::Fault;
use crate::journal::Journal;
use crate::proxy::Faults;

/// What an engine is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The same seed gives the same decisions. Default 0.
    pub seed: u64,
    /// Maximum number of bytes that one flow holds before its source has to wait. The memory that this takes may
    /// exceed the limit by half. Defaults to 64 MiB.
    pub flow_limit: usize,
    /// Maximum number of bytes that all flows hold before their sources have to wait. The memory that this takes may
    /// exceed the limit by half. Defaults to 1 GiB.
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

impl Engine {
    /// Starts the run: schedules count from now on.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared::new(settings)))
    }

    /// The faults of a proxy. Its name and the seed decide the draws of its sessions.
    pub fn proxy(&self, name: &str, faults: Vec<Fault>) -> Faults {
        Faults::new(Arc::clone(&self.0), name, faults)
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.0.settings.seed
    }

    /// The time since the start of the run.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// Bytes that all flows hold at this moment.
    pub fn held(&self) -> usize {
        self.0.held()
    }
}
