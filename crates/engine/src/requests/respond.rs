//! Responses of the proxy in the streams of a session.
//!
//! For HTTP, the request is dropped, and the requests behind it wait until the proxy has responded in its turn. PostgreSQL and Redis
//! receive another request instead, which fails, so that their transactions fail too; the proxy replaces the error.

use std::time::Duration;

use bytes::Bytes;
use fault_proxy_protocol::{Persistence, Protocol, TransactionStatus};

use super::pending::Pending;
use super::response;
use super::rule::Ending;
use super::state::{Acting, State};
use super::stream_plan::StepAction;
use crate::direction::Direction;
use crate::journal::Decision;

impl State {
    /// Drops the request that begins at the offset.
    pub(super) fn replace_request(&mut self, now: Duration, offset: u64, pending: &Pending) {
        let to_upstream = Direction::ToUpstream;
        pending.entry.counters.record_action();
        self.record(to_upstream, now, offset, pending, Decision::Respond);
        self.open.replace(pending.request);
        self.push(to_upstream, offset, StepAction::Drop, pending);
        self.acting().responding = Some(pending.clone());
    }

    /// The client has sent the head of a request of HTTP. One that may wait with the body gets the response immediately, as
    /// RFC 9110, section 10.1.1, allows. The connection cannot be used again then, since the client may send the body or not.
    pub(super) fn end_head(&mut self, request: u64, persistence: Persistence, expects_continue: bool) {
        let responding = self.acting.as_mut().and_then(|acting| acting.responding.take());
        let Some(mut pending) = responding else { return };
        pending.persistence = if expects_continue { Persistence::Close } else { persistence };
        if expects_continue && pending.request == request {
            self.close_after(pending);
        } else {
            self.acting().responding = Some(pending);
        }
    }

    /// The connection ends after the response of the proxy. What the client sends in the meantime is dropped.
    fn close_after(&mut self, pending: Pending) {
        self.is_closing = true;
        self.acting().own.push_back(pending);
    }

    /// The client has sent the request. What the upstream receives instead follows.
    pub(super) fn end_sending(&mut self, offset: u64, request: u64, is_group: bool) {
        let is_meant = |pending: &mut Pending| pending.request == request;
        let responding = self.acting.as_mut().and_then(|acting| acting.responding.take_if(is_meant));
        let Some(pending) = responding else { return };
        if pending.persistence == Persistence::Close {
            return self.close_after(pending);
        }
        let ends = pending.ends_transaction;
        self.push(Direction::ToUpstream, offset, StepAction::Resume, &pending);
        let instead = match self.protocol {
            Protocol::Psql if ends && is_group => response::failing_commit(),
            Protocol::Psql if ends => {
                let query = StepAction::Insert(response::failing_commit());
                self.push(Direction::ToUpstream, offset, query, &pending);
                // The server would execute the rest of the group after the simple query.
                self.push(Direction::ToUpstream, offset, StepAction::Drop, &pending);
                self.acting().embedded.push(request);
                self.acting().responding = Some(pending);
                return;
            }
            Protocol::Psql if is_group => response::failing_query(),
            Protocol::Psql => response::failing_parse(),
            Protocol::Redis => response::failing_command(ends),
            _ => {
                self.push(Direction::ToUpstream, offset, StepAction::AwaitResponse, &pending);
                self.acting().own.push_back(pending);
                return;
            }
        };
        self.push(Direction::ToUpstream, offset, StepAction::Insert(instead), &pending);
    }

    /// The client has sent a group of messages.
    pub(super) fn resume_sending(&mut self, offset: u64) {
        let responding = self.acting.as_mut().and_then(|acting| acting.responding.take());
        if let Some(pending) = responding {
            self.push(Direction::ToUpstream, offset, StepAction::Resume, &pending);
            self.push(Direction::ToUpstream, offset, StepAction::Insert(response::sync()), &pending);
        }
    }

    /// Returns true if the server has received a simple query in the place of this request of the extended protocol.
    pub(super) fn is_embedded(&self, request: u64) -> bool {
        self.acting.as_ref().is_some_and(|acting| acting.embedded.contains(&request))
    }

    /// ReadyForQuery of a simple query in a group ends at the offset, and was dropped. That of the group follows, unless the server has
    /// skipped the query, and then the transaction is not over.
    pub(super) fn end_embedded(&mut self, offset: u64, request: u64, status: TransactionStatus) {
        self.acting().embedded.retain(|embedded| *embedded != request);
        let replaced = self.acting().replaced.take();
        let Some(pending) = replaced else { return };
        self.push(Direction::ToDownstream, offset, StepAction::Resume, &pending);
        if status != TransactionStatus::Idle {
            let ready = StepAction::Insert(response::ready(status));
            self.push(Direction::ToDownstream, offset, ready, &pending);
        }
    }

    /// The session cannot be read any more from this offset on. What is dropped for a response of the proxy ends.
    pub(super) fn stop_responding(&mut self, direction: Direction, offset: u64, acting: Acting) {
        for pending in acting.own {
            self.stream(Direction::ToUpstream).end_await(pending.request);
            self.end_own_response(&pending);
        }
        let dropping =
            [(Direction::ToUpstream, acting.responding), (Direction::ToDownstream, acting.replaced)];
        for (stream, pending) in dropping {
            let Some(pending) = pending else { continue };
            let end = if stream == direction { offset } else { self.stream(stream).received() };
            self.push(stream, end, StepAction::Resume, &pending);
        }
        if !acting.injected.is_empty() {
            self.acting().injected = acting.injected;
        }
    }

    /// Returns the response of the proxy, once all responses before it have ended.
    pub(super) fn own_response(&mut self) -> Option<(Pending, Bytes)> {
        let next = self.ended + 1;
        let own = &mut self.acting.as_mut()?.own;
        let pending = own.front().is_some_and(|first| first.request == next).then(|| own.pop_front())??;
        let bytes = pending.response()?.bytes(pending.is_head, pending.persistence);
        self.open.inject(pending.request);
        self.stream(Direction::ToUpstream).end_await(pending.request);
        self.stream(Direction::ToDownstream).on_received(bytes.len());
        Some((pending, bytes))
    }

    /// Ends the session after the last response.
    pub(super) fn end_own_response(&mut self, pending: &Pending) {
        if pending.persistence == Persistence::Close {
            let end = self.stream(Direction::ToDownstream).received();
            self.push(Direction::ToDownstream, end, StepAction::End(Ending::Close), pending);
        }
    }

    /// Puts the response of the proxy in the place of the upstream's, which begins at the offset.
    pub(super) fn replace_response(&mut self, offset: u64, pending: Pending) {
        let (to_client, Some(response)) = (Direction::ToDownstream, pending.response()) else { return };
        let (bytes, is_fatal) = (response.bytes(pending.is_head, pending.persistence), response.is_fatal());
        self.open.inject(pending.request);
        self.push(to_client, offset, StepAction::Insert(bytes), &pending);
        if is_fatal {
            self.push(to_client, offset, StepAction::End(Ending::Close), &pending);
        } else {
            self.push(to_client, offset, StepAction::Drop, &pending);
            self.acting().replaced = Some(pending);
        }
    }

    /// A message begins at the offset that is not a part of the response that the proxy has replaced, if there is one. It passes.
    pub(super) fn interrupt_replaced(&mut self, offset: u64) {
        let Some(acting) = &mut self.acting else { return };
        if let Some(pending) = acting.replaced.take() {
            acting.interrupted = Some(pending.clone());
            self.push(Direction::ToDownstream, offset, StepAction::Resume, &pending);
        }
    }

    /// The message ends at the offset.
    pub(super) fn continue_replaced(&mut self, offset: u64) {
        let Some(acting) = &mut self.acting else { return };
        if let Some(pending) = acting.interrupted.take() {
            acting.replaced = Some(pending.clone());
            self.push(Direction::ToDownstream, offset, StepAction::Drop, &pending);
        }
    }

    /// The response that the proxy has replaced, if there is one, ends at the offset.
    pub(super) fn end_replaced(&mut self, offset: u64) {
        if let Some(pending) = self.acting.as_mut().and_then(|acting| acting.replaced.take()) {
            self.push(Direction::ToDownstream, offset, StepAction::Resume, &pending);
        }
    }
}
