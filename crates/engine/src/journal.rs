//! Decisions of the engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_protocol::{Protocol, Request};
use serde::{Deserialize, Serialize};

use crate::direction::Direction;

/// Gets every decision, on the session's task and in the order of its flow.
///
/// A call that blocks holds the session up, and with it all others of its thread.
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

/// One decision. Its draws depend on the seed, the session, the direction, the fault's name and [`offset`](Self::offset) alone, so
/// all but [`at`](Self::at) is the same in every run that decides at that offset.
///
/// Some decisions depend on the clock as well: at which offsets segments begin, which of them jitter holds, when packet loss sends a
/// segment again, and what a schedule or a time limit finds on its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Since the start of the run.
    #[serde(rename = "at_ns", serialize_with = "nanoseconds")]
    pub at: Duration,
    /// The proxy's name.
    #[serde(serialize_with = "text")]
    pub proxy: Arc<str>,
    /// The number of the session within its proxy, from 1.
    pub session: u64,
    /// Direction that the decision applies to, or `None` for the whole session.
    pub direction: Option<Direction>,
    /// The fault's name.
    #[serde(serialize_with = "text")]
    pub fault: Arc<str>,
    /// Offset in the flow of the first byte concerned.
    pub offset: u64,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// Request that the fault acts on, if it acts on requests.
    #[serde(flatten, skip_serializing_if = "Option::is_none", serialize_with = "request")]
    pub request: Option<Arc<JournalRequest>>,
}

/// A request, as the journal names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalRequest {
    /// Its number in the session, from 1.
    pub request: u64,
    /// Its kinds, such as `commit` or `SET`, with spaces between them.
    pub kind: String,
    /// Its key without secrets: the statement without its literals, the path without its query, or the first key of the command.
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
        /// It does.
        applies: bool,
    },
    /// A segment, or an end, is held.
    Hold {
        /// Nanoseconds.
        delay_ns: u64,
    },
    /// A segment is lost.
    Lost,
    /// A lost segment is sent again, since later ones have arrived.
    Retransmit {
        /// And is lost again.
        lost: bool,
    },
    /// The last segment is sent again to find out whether it was lost.
    Probe {
        /// And is lost again.
        lost: bool,
    },
    /// A lost segment is sent again after a time-out.
    RetransmitTimeout {
        /// The how many-th in a row, from 1.
        n: u32,
        /// And is lost again.
        lost: bool,
    },
    /// A slice begins.
    Slice {
        /// Its bytes.
        size: u64,
    },
    /// Data is held until the fault ends.
    Stall,
    /// Bytes are discarded.
    Discard {
        /// How many.
        bytes: u64,
    },
    /// Bytes that the source did not send are inserted.
    Insert {
        /// How many.
        bytes: u64,
    },
    /// A byte is changed.
    Flip {
        /// Bits that are inverted.
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

/// Up to 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
