//! Redis, as in the "Redis serialization protocol specification", RESP2 and RESP3.

mod commands;
mod line;
mod reader;
mod requests;
mod responses;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::requests::Requests;
use self::responses::Responses;
use crate::event::{Event, EventKind, OpaqueReason, Sink};
use crate::framer::Opaque;

/// The framer of a session.
#[derive(Debug, Default)]
pub(crate) struct Redis {
    requests: Requests,
    responses: Responses,
    session: Session,
}

/// State that both streams of a session share.
#[derive(Debug, Default)]
struct Session {
    /// Number of the last request.
    last: u64,
    /// Number of requests whose responses have ended.
    answered: u64,
    /// Requests to subscribe or to unsubscribe whose responses have not ended, each with the number of replies to come.
    subscriptions: VecDeque<(u64, u64)>,
    /// With RESP2, the client has subscribed to channels or patterns, and to shard channels, so that messages arrive as arrays between
    /// replies. With RESP3, messages have a separate type.
    subscribed: [bool; 2],
}

impl Session {
    /// Returns true if the next reply is one to a request to subscribe or to unsubscribe.
    fn awaits_confirmation(&self) -> bool {
        self.subscriptions.front().is_some_and(|(number, _)| *number == self.answered + 1)
    }
}

impl Redis {
    pub(crate) fn on_requests(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        self.requests.read(bytes, &mut self.session, sink)
    }

    pub(crate) fn on_responses(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        self.responses.read(bytes, &mut self.session, sink)
    }

    pub(crate) fn undecided_since(&self) -> Option<u64> {
        self.requests.undecided_since()
    }
}

fn other_protocol(offset: u64) -> Opaque {
    Opaque { offset, reason: OpaqueReason::OtherProtocol }
}

fn emit(sink: Sink<'_>, offset: u64, kind: EventKind<'_>) {
    sink(Event { offset, kind });
}
