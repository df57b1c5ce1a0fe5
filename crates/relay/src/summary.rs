//! Summary of an ended session.

use std::fmt;
use std::time::Duration;

use crate::stats::ByteCounts;
use crate::stream::Peer;

/// Summary of one session, from accept to end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Number of the session within its [`Relay`](crate::Relay), from 1.
    pub id: u64,
    /// Address of the client.
    pub downstream: Peer,
    /// Address of the upstream, or `None` if it was not reached.
    pub upstream: Option<Peer>,
    /// Bytes written to the connections.
    pub bytes: ByteCounts,
    /// Time from accept to end.
    pub duration: Duration,
    /// How the downstream side ended.
    pub downstream_end: CloseReason,
    /// How the upstream side ended.
    pub upstream_end: CloseReason,
    /// Reason in one word if the session was not opened: [`ConnectError::reason`](crate::ConnectError::reason) or
    /// `client_handshake`.
    pub not_opened: Option<&'static str>,
}

impl SessionSummary {
    /// Returns true if both sides ended with a half-close.
    pub fn is_clean(&self) -> bool {
        self.downstream_end == CloseReason::Finished && self.upstream_end == CloseReason::Finished
    }
}

/// How one side of a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both the peer and the relay half-closed (FIN).
    Finished,
    /// The peer aborted (RST).
    Aborted,
    /// The connection failed, for example by an unanswered keep-alive or a broken TLS record.
    Failed(String),
    /// The connection could not be opened, for example because the connect was refused or the handshake failed.
    NotOpened(String),
    /// The relay aborted it, because the other side failed or the relay was shut down.
    AbortedByRelay,
    /// The relay closed it because of [`Shutdown::close`](crate::Shutdown::close).
    Closed,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Aborted => f.write_str("aborted"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::NotOpened(reason) => write!(f, "not opened: {reason}"),
            Self::AbortedByRelay => f.write_str("cut"),
            Self::Closed => f.write_str("closed"),
        }
    }
}
