//! The client of a session that is not open yet.

use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use crate::stream::BoxStream;
use crate::sys;

/// Interval at which the downstream is checked while its upstream is dialed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A downstream whose session is not open yet. Dropping it aborts the stream, unless the stream was taken.
pub(super) struct PendingDownstream(pub(super) Option<BoxStream>);

impl PendingDownstream {
    /// Waits until the client has disconnected: it has reset its connection, or has closed it during its handshake.
    /// After the handshake, an end of file may be a half-close and is ignored.
    pub(super) async fn wait_disconnected(&mut self, is_in_handshake: bool) {
        let Some(stream) = &mut self.0 else { return pending().await };
        loop {
            // Boxed: inline, the future would make all sessions larger.
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
