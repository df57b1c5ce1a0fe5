//! Errors of this crate.

use std::io;
use std::path::PathBuf;

use serde_json::Value;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program was not found.
    #[error(
        "cannot find the program fault-proxy: FAULT_PROXY_BIN is not set, and it is not on PATH; install it, or set FAULT_PROXY_BIN to its path"
    )]
    NotFound,
    /// `FAULT_PROXY_BIN` names a file that does not exist.
    #[error("FAULT_PROXY_BIN is {}, which is not a file: set it to the path of fault-proxy", .0.display())]
    NotAFile(PathBuf),
    /// The program could not be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// Path of the program.
        program: PathBuf,
        /// Cause of the error.
        source: io::Error,
    },
    /// The program ended, or its control API was not ready in time.
    #[error("cannot start {}: {reason}; it printed:\n{printed}", program.display())]
    NotReady {
        /// Path of the program.
        program: PathBuf,
        /// Reason why it was not ready.
        reason: &'static str,
        /// Its log.
        printed: String,
    },
    /// The control API refused a request.
    #[error("{message}")]
    Refused {
        /// HTTP status, for example 404 for a proxy that does not exist.
        status: u16,
        /// Message of the API.
        message: String,
    },
    /// The control API did not respond.
    #[error("cannot reach the control API of fault-proxy at {url}")]
    Unreachable {
        /// URL of the API.
        url: String,
        /// Cause of the error.
        source: Box<ureq::Error>,
    },
    /// The response of the control API was not one of fault-proxy.
    #[error("unexpected answer of the control API at {url}: {answer}")]
    Unexpected {
        /// URL of the API.
        url: String,
        /// The response.
        answer: String,
    },
}

impl Error {
    pub(crate) fn unexpected(url: &str, answer: &Value) -> Self {
        Self::Unexpected { url: url.to_owned(), answer: answer.to_string() }
    }
}
