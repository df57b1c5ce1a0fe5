//! System calls that differ between Linux and other systems. Both files have the same items. `--cfg portable` selects the portable
//! file on Linux too, for tests.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(not(all(target_os = "linux", not(portable))))]
mod portable;

use std::io;
use std::path::Path;

#[cfg(all(target_os = "linux", not(portable)))]
pub(crate) use linux::*;
#[cfg(not(all(target_os = "linux", not(portable))))]
pub(crate) use portable::*;

use crate::stream::BoxStream;

/// Connects to a Unix socket.
#[cfg(unix)]
pub(crate) async fn connect_unix(path: &Path) -> io::Result<BoxStream> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

/// Fails.
#[cfg(not(unix))]
pub(crate) async fn connect_unix(_path: &Path) -> io::Result<BoxStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this program has no Unix sockets on this system"))
}
