//! Errors of connectors.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Reason why the connection to an upstream was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address, or no name server answered.
    #[error("cannot resolve `{host}`")]
    Resolve {
        /// The name as configured.
        host: String,
        /// Error of the system's resolver, or [`io::ErrorKind::TimedOut`] if it has not answered before the timeout.
        source: io::Error,
    },
    /// The attempts to connect to all addresses failed.
    #[error("cannot connect to {target}{}", list(target, attempts))]
    Unreachable {
        /// The target as configured.
        target: String,
        /// Each address with its error, in the order in which they failed.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The name was resolved, but no address answered before the timeout.
    #[error("no connection to {target} within {}s{}", after.as_secs_f64(), list(target, attempts))]
    TimedOut {
        /// The target as configured.
        target: String,
        /// The timeout.
        after: Duration,
        /// Each address that was tried, with its error. First those that failed before the timeout, then those that had
        /// not answered.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The connect to a Unix socket failed.
    #[error("cannot connect to unix:{}", path.display())]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The connector or the layer refused the session.
    #[error("refused: {0}")]
    Refused(String),
    /// The connection succeeded, but the handshake of the protocol failed.
    #[error("handshake with {target} failed")]
    Handshake {
        /// The target as configured.
        target: String,
        /// Cause of the failure.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConnectError {
    /// The [reason](Self::reason) of [`Self::Refused`].
    pub(crate) const REFUSED: &str = "not_wanted";

    /// Returns true if the upstream accepted the connection and reset it immediately. The relay then resets the client
    /// too, so that the client sees the same whether the reset arrives before or after the session begins.
    pub(crate) fn is_reset(&self) -> bool {
        let last = match self {
            Self::Unreachable { attempts, .. } => attempts.last(),
            _ => None,
        };
        last.is_some_and(|(_, error)| error.kind() == io::ErrorKind::ConnectionReset)
    }

    /// Returns the kind of failure as one word: `resolve`, `refused` (by the upstream), `unreachable`, `timed_out`,
    /// `handshake`, or `not_wanted` (refused by the connector or the layer).
    pub fn reason(&self) -> &'static str {
        let io_reason = |error: &io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::TimedOut => "timed_out",
            _ => "unreachable",
        };
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Unreachable { attempts, .. } => {
                attempts.last().map_or("unreachable", |(_, error)| io_reason(error))
            }
            Self::TimedOut { .. } => "timed_out",
            Self::Unix { source, .. } => io_reason(source),
            Self::Refused(_) => Self::REFUSED,
            Self::Handshake { .. } => "handshake",
        }
    }
}

/// Formats failed attempts as `: address: error; address: error`. Omits the address of a target that is one.
fn list(target: &str, attempts: &[(SocketAddr, io::Error)]) -> String {
    let of_attempt = |(addr, error): &(SocketAddr, io::Error)| {
        let addr = addr.to_string();
        if addr == target { error.to_string() } else { format!("{addr}: {error}") }
    };
    match attempts {
        [] => String::new(),
        attempts => format!(": {}", attempts.iter().map(of_attempt).collect::<Vec<_>>().join("; ")),
    }
}
