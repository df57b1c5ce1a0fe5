//! Commands whose requests or responses differ from others.

use crate::event::OpaqueReason;

/// Argument before the keys of the commands that read streams.
const STREAMS: &[u8] = b"STREAMS";

/// Number of the first arguments among which this one is looked for. Options of a fixed number come before it.
const MAX_OPTIONS: u64 = 16;

/// Place of the key among the arguments of a command. The name of the command is the argument 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// The key is this argument.
    At(u64),
    /// The key is the argument after `STREAMS`, which is this argument or a later one.
    AfterStreams(u64),
}

impl KeyPlace {
    /// Returns the place that is known after this argument, which is not the key, or `None` if there is no key.
    pub(super) fn after(self, index: u64, argument: &[u8]) -> Option<Self> {
        match self {
            Self::AfterStreams(from) if index >= from && argument.eq_ignore_ascii_case(STREAMS) => {
                Some(Self::At(index + 1))
            }
            Self::AfterStreams(_) if index + 1 >= MAX_OPTIONS => None,
            place => Some(place),
        }
    }
}

/// Returns true if no other function of this file treats the command differently from most others.
pub(super) fn is_ordinary(command: &[u8]) -> bool {
    let is_other = matches!(command, b"MONITOR" | b"SYNC" | b"PSYNC" | b"CLIENT") || subscribes(command);
    key_place(command) == Some(KeyPlace::At(1)) && !is_other && transaction_after(command).is_none()
}

/// Returns the place of the key, as in the key specifications of Redis. `None` if that argument is a secret.
pub(super) fn key_place(command: &[u8]) -> Option<KeyPlace> {
    Some(match command {
        b"AUTH" => return None,
        // A subcommand, an operation, or the number of the keys is before the key.
        b"OBJECT" | b"MEMORY" | b"XINFO" | b"XGROUP" | b"DEBUG" | b"BITOP" | b"LMPOP" | b"ZMPOP"
        | b"SINTERCARD" | b"ZINTERCARD" | b"ZINTER" | b"ZUNION" | b"ZDIFF" => KeyPlace::At(2),
        // A script or a timeout, and the number of the keys; or a host and a port.
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" | b"BLMPOP"
        | b"BZMPOP" | b"MIGRATE" => KeyPlace::At(3),
        b"XREAD" => KeyPlace::AfterStreams(1),
        // A group and a consumer are before it.
        b"XREADGROUP" => KeyPlace::AfterStreams(4),
        _ => KeyPlace::At(1),
    })
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

/// Returns what a message with this first element confirms, if it is the reply to a request to subscribe or unsubscribe: 0 for channels
/// and patterns, whose number it has as its last element, and 1 for shard channels.
pub(super) fn confirms_subscription(first: &[u8]) -> Option<usize> {
    match first {
        b"subscribe" | b"psubscribe" | b"unsubscribe" | b"punsubscribe" => Some(0),
        b"ssubscribe" | b"sunsubscribe" => Some(1),
        _ => None,
    }
}

/// Returns true if a message with this first element was published to a subscribed channel.
pub(super) fn is_published(first: &[u8]) -> bool {
    matches!(first, b"message" | b"pmessage" | b"smessage")
}
