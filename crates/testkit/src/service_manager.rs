//! Receives the messages of a program to the service manager.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::session::PATIENCE;

/// Receives notifications as systemd does for a unit of Type=notify.
#[derive(Debug)]
pub struct ServiceManager {
    directory: TempDir,
    socket: UnixDatagram,
}

impl ServiceManager {
    /// Creates a service manager with a separate socket.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a directory and a socket")]
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self { directory, socket }
    }

    /// Returns the value of `NOTIFY_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// Waits for the next notification and returns it.
    pub fn next_notification(&self) -> String {
        let mut text = [0; 4096];
        let len = self.socket.recv(&mut text).expect("a notification arrives");
        String::from_utf8_lossy(&text[..len]).trim().to_owned()
    }
}
