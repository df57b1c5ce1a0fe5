//! Unix sockets, which not every system has.

use std::io;
use std::path::Path;

use crate::stream::BoxStream;

/// Connects to a Unix socket.
#[cfg(unix)]
pub(crate) async fn connect_unix(path: &Path) -> io::Result<BoxStream> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

/// Returns an error, because the system does not have Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn connect_unix(_path: &Path) -> io::Result<BoxStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this program has no Unix sockets on this system"))
}
