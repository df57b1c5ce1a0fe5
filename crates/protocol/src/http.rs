//! HTTP/1.0 and HTTP/1.1, as in RFC 9112.

mod body;
mod chunks;
mod cursor;
mod events;
mod head;
mod lines;
mod request_line;
mod requests;
mod responses;
mod status_line;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::requests::Requests;
use self::responses::Responses;
use crate::event::{Event, EventKind, Sink};
use crate::framer::Opaque;

/// Most requests that can wait for their response.
const MAX_PENDING: usize = 1 << 16;

/// Number of requests for which a session keeps memory after a long pipeline.
const KEPT_PENDING: usize = 64;

/// The framer of a session.
#[derive(Debug, Default)]
pub(crate) struct Http {
    requests: Requests,
    responses: Responses,
    session: Session,
}

/// State that both streams of a session share.
#[derive(Debug, Default)]
struct Session {
    /// Number of the last request.
    last: u64,
    /// Methods of the requests whose responses have not ended, in the order in which they were sent.
    pending: VecDeque<Method>,
    /// The head of the final response to the last request has been read.
    is_decided: bool,
    /// The last request may turn the session into a tunnel. The response decides what the next bytes of the client are.
    may_switch: bool,
    /// The client may wait for a response before it sends the body of the last request.
    expects_continue: bool,
    /// The client was refused while it waited. What it sends next may be the body or another request.
    is_refused: bool,
}

/// Method, as far as it decides the length of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Head,
    Connect,
    Other,
}

impl Session {
    /// Returns the number of the first request whose response has not ended.
    fn next_to_end(&self) -> u64 {
        self.last + 1 - self.pending.len() as u64
    }
}

impl Http {
    pub(crate) fn on_requests(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        self.requests.read(bytes, &mut self.session, sink)
    }

    pub(crate) fn on_responses(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Opaque> {
        self.responses.read(bytes, &mut self.session, sink)
    }

    pub(crate) fn on_responses_end(&mut self, sink: Sink<'_>) {
        self.responses.finish(&mut self.session, sink);
    }

    pub(crate) fn undecided_since(&self) -> Option<u64> {
        self.requests.undecided_since()
    }

    pub(crate) fn undecided_response_since(&self) -> Option<u64> {
        self.responses.undecided_since()
    }
}

fn emit(sink: Sink<'_>, offset: u64, kind: EventKind<'_>) {
    sink(Event { offset, kind });
}
