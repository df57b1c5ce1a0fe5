//! Readiness of a program.

use std::fmt;
use std::sync::Arc;

use fault_proxy_relay::{LimitStats, Relay};

/// State of the program for `GET /readyz`. Clones share it.
#[derive(Clone)]
pub struct Health {
    readiness: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    notice: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Health {
    /// Creates the state. `readiness` returns `Ok` if clients can be served, or the reason why not. It runs on the runtime, so it
    /// must not block.
    pub fn new(readiness: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { readiness: Arc::new(readiness), notice: Arc::new(|| None) }
    }

    /// Sets a `notice` that replaces `ok` while the program is ready, if it returns a text. It must not block.
    #[must_use]
    pub fn with_notice(mut self, notice: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.notice = Arc::new(notice);
        self
    }

    /// Makes `/readyz` show that the session limit of `relay` is reached while connections wait for it. The
    /// program stays ready: sessions end by themselves, and a load balancer that removes instances at their
    /// limit would reduce the capacity further.
    #[must_use]
    pub fn with_session_limit(self, relay: &Relay) -> Self {
        let relay = relay.clone();
        self.with_notice(move || {
            let LimitStats { max_sessions, waiting, .. } = relay.limit_stats();
            let reached =
                format!("session limit reached: max-sessions {max_sessions}, connections waiting {waiting}");
            (waiting > 0).then_some(reached)
        })
    }

    pub(crate) fn notice(&self) -> Option<String> {
        (self.notice)()
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
