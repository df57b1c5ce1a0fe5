//! Messages to the service manager (sd_notify(3)). They have no effect without one.

use sd_notify::NotifyState;
use tracing::warn;

/// Everything listens.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Nothing new is accepted any more.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("cannot notify the service manager: {error}");
    }
}
