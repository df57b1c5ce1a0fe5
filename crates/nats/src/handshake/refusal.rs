//! A server's refusal of a request.

use bytes::Bytes;

use super::printable;
use crate::id::InstanceId;
use crate::link::MIN_MESSAGE;
use crate::message::{self, Message};

/// Reasons that only apply to the server that sent them. Older servers do not mark them.
const REASONS_OF_OLD_SERVERS: [&str; 6] = [
    "is not allowed here",
    "is denied here",
    "cannot resolve",
    "does not offer it",
    "Network is unreachable",
    "No route to host",
];

/// A reply with which a server refuses a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) scope: Scope,
}

/// Servers that a refusal applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All servers: the target has answered, or the request is invalid.
    All,
    /// The server that refuses, permanently.
    ThisServer,
    /// The server that refuses, temporarily.
    Busy,
}

impl Refusal {
    /// Encodes the refusal. A reason without a space is extended, because some peers take a text without a space for an
    /// ID. The reason is cut so that the message has at most `max_message` bytes, and never more than every NATS server
    /// accepts.
    pub(crate) fn encode(&self, server: InstanceId, max_message: usize) -> Bytes {
        let (reason, server) = (&self.reason, server.to_string());
        let sent = if reason.contains(' ') { reason.clone() } else { format!("refused: {reason}") };
        let all = [("error", "true"), ("instance", &*server), ("retry", "true"), ("permanent", "true")];
        let metadata = match self.scope {
            Scope::All => &all[..2],
            Scope::Busy => &all[..3],
            Scope::ThisServer => &all,
        };
        let room = MIN_MESSAGE.min(max_message).saturating_sub(message::metadata_len(metadata));
        let room = message::data_within("", room);
        message::encode("", &sent.as_bytes()[..sent.len().min(room)], metadata)
    }

    /// Reads a message whose metadata has `error`.
    pub(super) fn read(message: &Message<'_>) -> Self {
        let is_set = |key| message.get(key) == Some("true");
        let reason = printable(&message.data);
        let reason = reason.strip_prefix("refused: ").unwrap_or(&reason).to_owned();
        let is_old = message.get("instance").is_none();
        let scope = match (is_set("retry"), is_set("permanent")) {
            (true, true) => Scope::ThisServer,
            (true, false) => Scope::Busy,
            (false, _) if is_old && REASONS_OF_OLD_SERVERS.iter().any(|text| reason.contains(text)) => {
                Scope::ThisServer
            }
            (false, _) => Scope::All,
        };
        Self { reason, scope }
    }
}
