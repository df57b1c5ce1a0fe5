use std::io;

use thiserror::Error;

/// Why a proxy did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its port could not be taken.
    #[error("listen tcp {listen}: bind: {}", in_words(source))]
    Bind {
        /// The address, or the text as given if it does not resolve.
        listen: String,
        /// Error of the system.
        source: io::Error,
    },
    /// The listen address makes no sense.
    #[error("listen tcp: {0}")]
    Address(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Why a change was refused, in the words of the API.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No proxy has this name.
    #[error("proxy not found")]
    NoSuchProxy,
    /// A proxy has this name.
    #[error("proxy already exists")]
    ProxyExists,
    /// The listening address or the upstream makes no sense.
    #[error("bad request body: {0}")]
    Invalid(String),
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// As every system's error list has it: without a number, and not as a sentence.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
