//! Commands whose requests or responses differ from others.

use crate::event::OpaqueReason;

/// Returns the index of the argument that is the key: 0 is the name of the command.
pub(super) fn key_index(command: &[u8]) -> u64 {
    match command {
        // A script, the number of its keys, and the keys.
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => 3,
        _ => 1,
    }
}

/// Returns true if the first argument is a secret.
pub(super) fn has_secret(command: &[u8]) -> bool {
    command == b"AUTH"
}

/// Returns true if the command has a reply for each of its arguments.
pub(super) fn subscribes(command: &[u8]) -> bool {
    matches!(
        command,
        b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE"
    )
}

/// Returns the reason why the responses that follow this command cannot be read.
pub(super) fn opaque_after(
    command: &[u8],
    key: &[u8],
    arguments: u64,
    in_transaction: bool,
) -> Option<OpaqueReason> {
    match command {
        b"MONITOR" => Some(OpaqueReason::UnknownResponses),
        b"SYNC" | b"PSYNC" => Some(OpaqueReason::Replication),
        b"CLIENT" if key.eq_ignore_ascii_case(b"REPLY") => Some(OpaqueReason::UnknownResponses),
        // Without channels, the number of replies depends on the subscriptions of the session.
        _ if subscribes(command) && (arguments < 2 || in_transaction) => Some(OpaqueReason::UnknownResponses),
        _ => None,
    }
}

/// Returns true if a message with this first element is the reply to a request to subscribe or unsubscribe.
pub(super) fn confirms_subscription(first: &[u8]) -> bool {
    matches!(
        first,
        b"subscribe" | b"psubscribe" | b"ssubscribe" | b"unsubscribe" | b"punsubscribe" | b"sunsubscribe"
    )
}

/// Returns true if a message with this first element was published to a subscribed channel.
pub(super) fn is_published(first: &[u8]) -> bool {
    matches!(first, b"message" | b"pmessage" | b"smessage")
}
