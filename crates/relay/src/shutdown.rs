//! The steps of ending: drain, then abort; or close.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Ends relays from outside. Clones are handles to the same shutdown.
///
/// The deadline of a drain is the caller's: [`abort`](Self::abort) when it has passed, or at a second signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    closed: CancellationToken,
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

    /// Stop accepting; close the connections of the sessions there are (TCP: FIN), and give up what they hold.
    pub fn close(&self) {
        self.draining.cancel();
        self.closed.cancel();
    }

    /// Stop accepting; abort the sessions that are left (TCP: RST).
    pub fn abort(&self) {
        self.draining.cancel();
        self.aborted.cancel();
    }

    /// Waits for [`drain`](Self::drain), [`close`](Self::close) or [`abort`](Self::abort). Cancel safe.
    pub fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.draining.cancelled()
    }

    /// Waits for [`abort`](Self::abort). Cancel safe.
    pub fn aborted(&self) -> WaitForCancellationFuture<'_> {
        self.aborted.cancelled()
    }

    /// Waits for [`close`](Self::close). Cancel safe.
    pub(crate) fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.closed.cancelled()
    }

    /// A shutdown that follows this one and can also be used on its own: for a part of what this one ends.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            draining: self.draining.child_token(),
            closed: self.closed.child_token(),
            aborted: self.aborted.child_token(),
        }
    }
}
