//! What a service manager hears.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::session::PATIENCE;

/// Listens to a program as systemd does to a unit of Type=notify.
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

    /// The value of `NOTIFY_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// The next thing that is said.
    pub fn hears(&self) -> String {
        let mut text = [0; 4096];
        let len = self.socket.recv(&mut text).expect("it says something");
        String::from_utf8_lossy(&text[..len]).trim().to_owned()
    }
}
