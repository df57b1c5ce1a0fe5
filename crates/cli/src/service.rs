//! What a service manager is told, as sd_notify(3) has it; where there is none, nothing happens.

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
        warn!("the service manager cannot be told: {error}");
    }
}
