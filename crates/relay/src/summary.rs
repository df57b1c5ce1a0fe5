//! What is known of a session when it is over.

use std::fmt;
use std::time::Duration;

use crate::stream::Peer;

/// One session, from accept to end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Counts the sessions of a [`Relay`](crate::Relay), from 1.
    pub id: u64,
    /// Who dialled us.
    pub downstream: Peer,
    /// Whom we dialled; `None` if no upstream was reached.
    pub upstream: Option<Peer>,
    /// Bytes handed to the upstream's socket.
    pub bytes_to_upstream: u64,
    /// Bytes handed to the downstream's socket.
    pub bytes_to_downstream: u64,
    /// From accept to end.
    pub duration: Duration,
    /// How the downstream side ended.
    pub downstream_end: CloseReason,
    /// How the upstream side ended.
    pub upstream_end: CloseReason,
    /// One word for why it was not opened, where that is so: [`ConnectError::reason`](crate::ConnectError::reason), or
    /// `client_handshake`.
    pub not_opened: Option<&'static str>,
}

impl SessionSummary {
    /// True if both sides ended with a half-close and nothing was cut.
    pub fn is_clean(&self) -> bool {
        self.downstream_end == CloseReason::Finished && self.upstream_end == CloseReason::Finished
    }

    /// True if a side could not be opened or failed by an error of its own. An abort by a peer is none.
    pub fn is_error(&self) -> bool {
        let error = |end: &CloseReason| matches!(end, CloseReason::NotOpened(_) | CloseReason::Failed(_));
        error(&self.downstream_end) || error(&self.upstream_end)
    }
}

/// How one side of a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It half-closed (FIN), and so did we.
    Finished,
    /// It aborted (RST).
    Aborted,
    /// It failed otherwise: a keep-alive without answer, a broken TLS record.
    Failed(String),
    /// It could not be opened: a refused connect, a failed handshake.
    NotOpened(String),
    /// We aborted it, because the other side ended badly or the relay did.
    AbortedByRelay,
    /// We closed it, because the relay was told to ([`Shutdown::close`](crate::Shutdown::close)).
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
