//! The client of a session that is not open yet.

use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use crate::stream::BoxStream;
use crate::sys;

/// How often to look whether the downstream is still there while its upstream is dialed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A downstream that is aborted if its session never opens, unless it is taken out to be closed.
pub(super) struct PendingDownstream(pub(super) Option<BoxStream>);

impl PendingDownstream {
    /// Waits until there is no client left to connect for: the downstream has reset its connection, or has closed it during its
    /// handshake. After that, an end of file may be a half-close.
    pub(super) async fn gone(&mut self, is_in_handshake: bool) {
        let Some(stream) = &mut self.0 else { return pending().await };
        loop {
            // In a box, since it would make all sessions larger.
            Box::pin(sleep(POLL_INTERVAL)).await;
            let is_closed = || stream.as_tcp().is_some_and(sys::is_closed_by_peer);
            if (is_in_handshake && is_closed()) || stream.take_error().is_some() {
                return;
            }
        }
    }

    pub(super) fn take(&mut self) -> BoxStream {
        self.0.take().expect("taken once")
    }
}

impl Drop for PendingDownstream {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.abort();
        }
    }
}
