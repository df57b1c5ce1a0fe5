//! Journal of the decisions of faults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Protocol, Request};
use serde::{Deserialize, Serialize};

use crate::direction::Direction;

/// Receives every decision, on the task of the session and in the order of its flow.
///
/// A call that blocks delays the session, and with it all other sessions of the thread.
#[derive(Clone)]
pub struct Journal(Arc<dyn Fn(JournalEntry) + Send + Sync>);

impl Journal {
    /// Calls `record` for every decision.
    pub fn new(record: impl Fn(JournalEntry) + Send + Sync + 'static) -> Self {
        Self(Arc::new(record))
    }

    pub(crate) fn record(&self, decision: JournalEntry) {
        (self.0)(decision);
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// One decision. Its draws depend only on the seed, the session, the direction, the name of the fault and
/// [`offset`](Self::offset). All fields except [`at`](Self::at) are therefore the same in every run that
/// decides at that offset.
///
/// Some decisions depend on the clock as well: where segments begin, which of them jitter holds, when packet
/// loss sends a segment again, and which data a schedule or a time limit affects.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Time since the start of the run.
    #[serde(rename = "at_ns", serialize_with = "nanoseconds")]
    pub at: Duration,
    /// Name of the proxy.
    #[serde(serialize_with = "text")]
    pub proxy: Arc<str>,
    /// Number of the session within its proxy, from 1.
    pub session: u64,
    /// Direction that the decision applies to, or `None` if it applies to the whole session.
    pub direction: Option<Direction>,
    /// Name of the fault.
    #[serde(serialize_with = "text")]
    pub fault: Arc<str>,
    /// Offset in the flow of the first byte that the decision applies to.
    pub offset: u64,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// Request that the fault acts on, if it acts on requests.
    #[serde(flatten, skip_serializing_if = "Option::is_none", serialize_with = "request")]
    pub request: Option<Arc<JournalRequest>>,
}

/// A request that a journal entry refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalRequest {
    /// Number of the request in the session, from 1.
    pub request: u64,
    /// Kinds of the request, such as `commit` or `SET`, separated by spaces.
    pub kind: String,
    /// Key of the request without secrets: the statement without its literals, the path without its query, or
    /// the first key of the command.
    pub key: String,
}

impl JournalEntry {
    pub(crate) fn on_request(self, request: Arc<JournalRequest>) -> Self {
        Self { request: Some(request), ..self }
    }
}

impl JournalRequest {
    pub(crate) fn new(protocol: Protocol, request: &Request<'_>) -> Self {
        let Request { number, kinds, .. } = request;
        Self { request: *number, kind: kinds.join(" "), key: request.redacted_key(protocol) }
    }
}

/// A decision of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decision {
    /// Whether the fault applies to the session. Recorded when the session opens, if the fault has a probability below 1 or a
    /// selection.
    Applies {
        /// True if it applies.
        applies: bool,
    },
    /// A segment, or the end of the flow, is held.
    Hold {
        /// Hold time in nanoseconds.
        delay_ns: u64,
    },
    /// A segment is lost.
    Lost,
    /// A lost segment is sent again, since later ones have arrived.
    Retransmit {
        /// True if the retransmission is lost too.
        lost: bool,
    },
    /// The last segment is sent again to find out whether it was lost.
    Probe {
        /// True if the probe is lost too.
        lost: bool,
    },
    /// A lost segment is sent again after a timeout.
    RetransmitTimeout {
        /// Number of the timeout in an uninterrupted series, from 1.
        n: u32,
        /// True if the retransmission is lost too.
        lost: bool,
    },
    /// A slice begins.
    Slice {
        /// Size of the slice in bytes.
        size: u64,
    },
    /// Data is held until the fault ends.
    Stall,
    /// Bytes are discarded.
    Discard {
        /// Number of bytes.
        bytes: u64,
    },
    /// Bytes that the source did not send are inserted.
    Insert {
        /// Number of bytes.
        bytes: u64,
    },
    /// A byte is changed.
    Flip {
        /// Mask of the inverted bits.
        mask: u8,
    },
    /// The session is closed.
    Close,
    /// The session is reset.
    Reset,
    /// The client is refused.
    Refuse,
    /// The response passes at a limited rate.
    Limit,
    /// The proxy responds to the request instead of the upstream.
    Respond,
}

fn nanoseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(nanos(*time))
}

fn text<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn request<S: serde::Serializer>(
    request: &Option<Arc<JournalRequest>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    request.as_deref().serialize(serializer)
}

/// Returns the time in nanoseconds, at most 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
