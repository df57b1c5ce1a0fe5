//! Commands whose requests or responses differ from others.

use crate::event::OpaqueReason;

/// Returns true if no other function of this file treats the command differently from most others.
pub(super) fn is_ordinary(command: &[u8]) -> bool {
    let is_other = matches!(command, b"MONITOR" | b"SYNC" | b"PSYNC" | b"CLIENT") || subscribes(command);
    key_index(command) == Some(1) && !is_other && transaction_after(command).is_none()
}

/// Returns the index of the argument that is the key: 0 is the name of the command. `None` if that argument is a secret.
pub(super) fn key_index(command: &[u8]) -> Option<u64> {
    match command {
        // A script, the number of its keys, and the keys.
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => Some(3),
        b"AUTH" => None,
        _ => Some(1),
    }
}

/// Returns whether the session is in a transaction after the command, or `None` if the command does not change that.
pub(super) fn transaction_after(command: &[u8]) -> Option<bool> {
    match command {
        b"MULTI" => Some(true),
        b"EXEC" | b"DISCARD" | b"RESET" => Some(false),
        _ => None,
    }
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
