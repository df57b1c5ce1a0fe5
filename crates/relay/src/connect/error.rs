//! Why an upstream was not reached.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why an upstream was not reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address, or no name server answered.
    #[error("cannot resolve `{host}`")]
    Resolve {
        /// The name as configured.
        host: String,
        /// Error of the system's resolver.
        source: io::Error,
    },
    /// Every address was tried, and each failed.
    #[error("cannot connect to {target}{}", list(attempts))]
    Unreachable {
        /// The target as configured.
        target: String,
        /// Each address with its error, in the order in which they failed.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The time for resolving and connecting was up.
    #[error("no connection to {target} within {}s{}", after.as_secs_f64(), list(attempts))]
    TimedOut {
        /// The target as configured.
        target: String,
        /// The whole time given.
        after: Duration,
        /// The addresses that failed by then.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The path of a Unix socket could not be connected.
    #[error("cannot connect to unix:{}", path.display())]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The connector or the layer does not want this session.
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
    /// The [reason](Self::reason) of a connector that does not want a session.
    pub(crate) const REFUSED: &str = "not_wanted";

    /// Returns true if the upstream accepted the connection and reset it immediately. The client gets the same in this case
    /// whether or not the reset arrived before the session began.
    pub(crate) fn is_reset(&self) -> bool {
        let last = match self {
            Self::Unreachable { attempts, .. } => attempts.last(),
            _ => None,
        };
        last.is_some_and(|(_, error)| error.kind() == io::ErrorKind::ConnectionReset)
    }

    /// One word for the kind of failure: `resolve`, `refused` (by the upstream), `unreachable`, `timed_out`, `handshake`, or
    /// `not_wanted` (by the connector).
    pub fn reason(&self) -> &'static str {
        let of = |error: &io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::TimedOut => "timed_out",
            _ => "unreachable",
        };
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Unreachable { attempts, .. } => {
                attempts.last().map_or("unreachable", |(_, error)| of(error))
            }
            Self::TimedOut { .. } => "timed_out",
            Self::Unix { source, .. } => of(source),
            Self::Refused(_) => Self::REFUSED,
            Self::Handshake { .. } => "handshake",
        }
    }
}

/// `: error` for a single address, `: address: error; address: error` for more.
fn list(attempts: &[(SocketAddr, io::Error)]) -> String {
    match attempts {
        [] => String::new(),
        [(_, error)] => format!(": {error}"),
        attempts => {
            let each: Vec<_> = attempts.iter().map(|(addr, error)| format!("{addr}: {error}")).collect();
            format!(": {}", each.join("; "))
        }
    }
}
