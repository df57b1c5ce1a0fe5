use std::io;

use thiserror::Error;

/// Error of a proxy that could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port could not be bound.
    #[error("listen tcp {listen}: bind: {}", in_words(source))]
    Bind {
        /// The address, or the text as given if it does not resolve.
        listen: String,
        /// Error of the system.
        source: io::Error,
    },
    /// The listen address is invalid.
    #[error("listen tcp: {0}")]
    Address(String),
    /// Another error.
    #[error("{0}")]
    Other(String),
}

/// Error of a change, with the message of the API.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No proxy has this name.
    #[error("proxy not found")]
    NoSuchProxy,
    /// A proxy with this name exists.
    #[error("proxy already exists")]
    ProxyExists,
    /// The listen address or the upstream is invalid.
    #[error("bad request body: {0}")]
    Invalid(String),
    /// An API client has changed the proxy since the required generation.
    #[error("an API client has changed the proxy")]
    ChangedByClient,
    /// The proxy did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Returns the message of an error without its number and in lower case, as in Toxiproxy.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
