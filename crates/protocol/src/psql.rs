//! PostgreSQL, as in "Frontend/Backend Protocol" of its documentation, version 3.

mod messages;
mod prepared;
mod requests;
mod responses;
mod sql;
mod startup;
mod statements;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::messages::Messages;
use self::responses::Response;
use self::startup::Startup;
use self::statements::Statements;
use crate::event::{Event, EventKind, OpaqueReason, Sink};
use crate::framer::Opaque;

/// Most messages that can wait for their response.
const MAX_PENDING: usize = 1 << 20;

/// The framer of a session.
#[derive(Debug, Default)]
pub(crate) struct Psql {
    requests: Messages,
    responses: Messages,
    session: Session,
}

/// State that both streams of a session share.
#[derive(Debug, Default)]
struct Session {
    startup: Startup,
    /// Messages that wait for a response, in the order in which they were sent.
    pending: VecDeque<Pending>,
    /// Number of the last request.
    last: u64,
    /// Offset of the message that the client is sending.
    begin: u64,
    /// The message that the client is sending may be a request, and its key has not been read.
    is_undecided: bool,
    /// The request that the client is sending.
    sending: Option<u64>,
    statements: Statements,
    /// Number of groups whose end the client has sent.
    groups: u64,
    /// Number of those that the server has answered, or ignored since it reads the data of COPY.
    answered: u64,
    /// The server reads the data of COPY, whose end has not been sent. It ignores Sync until then.
    copies_in: bool,
    response: Response,
}

/// A message that waits for a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// Query or FunctionCall. The response ends with ReadyForQuery.
    Query(u64),
    /// Execute.
    Execute(u64),
    /// Sync, behind this number of Parse messages. The response is ReadyForQuery.
    Sync(u64),
    /// Query in the place of Execute: see [`Framer::embed_query`](crate::Framer::embed_query).
    Embedded(u64),
    /// CopyDone or CopyFail, sent before the server has asked for the data. It has no response, and is never the first.
    CopyEnd,
}

/// Kinds of statements.
pub(crate) use self::sql::NAMES as KINDS;

/// Returns a statement as the keys of requests have it.
pub(crate) fn normalized(text: &str) -> Vec<u8> {
    sql::scan(text.as_bytes(), &mut Vec::new()).1.to_vec()
}

impl Psql {
    pub(crate) fn undecided_since(&self) -> Option<u64> {
        self.session.is_undecided.then_some(self.session.begin)
    }

    pub(crate) fn embed_query(&mut self, request: u64) {
        let is_meant = |pending: &&mut Pending| matches!(**pending, Pending::Execute(number) | Pending::Embedded(number) if number == request);
        if let Some(pending) = self.session.pending.iter_mut().rev().find(is_meant) {
            *pending = Pending::Embedded(request);
        }
    }

    pub(crate) fn expects_ready(&self) -> bool {
        self.session.pending.iter().any(|pending| matches!(pending, Pending::Query(_) | Pending::Sync(_)))
    }
}

fn other_protocol(offset: u64) -> Opaque {
    Opaque { offset, reason: OpaqueReason::OtherProtocol }
}

fn emit(sink: Sink<'_>, offset: u64, kind: EventKind<'_>) {
    sink(Event { offset, kind });
}
