//! Messages to the service manager (sd_notify(3)). They have no effect without one.

/// Reports that all proxies listen.
pub fn ready() {
    notify("READY=1");
}

/// Reports that the program does not accept new connections.
pub fn stopping() {
    notify("STOPPING=1");
}

#[cfg(all(target_os = "linux", not(portable)))]
fn notify(state: &str) {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Custom(state)]) {
        tracing::warn!(%error, "cannot notify the service manager: {error}");
    }
}

#[cfg(not(all(target_os = "linux", not(portable))))]
fn notify(_state: &str) {}
