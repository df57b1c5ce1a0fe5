//! Shutdown of relays: drain, close or abort.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Shuts down relays. Clones are handles to the same shutdown.
///
/// A drain does not have a deadline. The caller sets one by calling [`abort`](Self::abort) when it has passed.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    closed: CancellationToken,
    aborted: CancellationToken,
}

impl Shutdown {
    /// Returns a shutdown that is not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops accepting clients and lets open sessions finish.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Stops accepting clients and closes the connections of open sessions (TCP: FIN). Undelivered data is discarded.
    pub fn close(&self) {
        self.draining.cancel();
        self.closed.cancel();
    }

    /// Stops accepting clients and aborts the open sessions (TCP: RST).
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

    /// Returns a shutdown that follows this one and can also be requested separately, for some of the relays.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            draining: self.draining.child_token(),
            closed: self.closed.child_token(),
            aborted: self.aborted.child_token(),
        }
    }
}
