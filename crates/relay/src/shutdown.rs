//! The two steps of ending: drain, then abort.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Ends relays from outside. Clones are handles to the same shutdown.
///
/// The deadline of a drain is the caller's: [`abort`](Self::abort) when it has passed, or at a second signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    aborted: CancellationToken,
}

impl Shutdown {
    /// Nothing ends yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stop accepting; let sessions finish.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Stop accepting; abort the sessions that are left.
    pub fn abort(&self) {
        self.draining.cancel();
        self.aborted.cancel();
    }

    /// Waits for [`drain`](Self::drain) or [`abort`](Self::abort). Cancel safe.
    pub fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.draining.cancelled()
    }

    /// Waits for [`abort`](Self::abort). Cancel safe.
    pub fn aborted(&self) -> WaitForCancellationFuture<'_> {
        self.aborted.cancelled()
    }

    /// A shutdown that follows this one and can also be aborted on its own.
    pub(crate) fn child(&self) -> Self {
        Self { draining: self.draining.child_token(), aborted: self.aborted.child_token() }
    }
}
