//! Whether a proxy can take clients.

use std::fmt;
use std::sync::Arc;

/// Asked at each `GET /readyz`. Clones ask the same.
#[derive(Clone)]
pub struct Health {
    readiness: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Health {
    /// `readiness` answers `Ok` when clients can be served, else the reason why not, for people to read. It is called
    /// on the runtime: it must not block.
    pub fn new(readiness: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { readiness: Arc::new(readiness) }
    }

    pub(crate) fn readiness(&self) -> Result<(), String> {
        (self.readiness)()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
