//! Responses of the proxy in the streams of a session.
//!
//! For HTTP, the request is dropped, and the requests behind it wait until the proxy has responded in its turn. PostgreSQL and Redis
//! receive another request instead, which fails, so that their transactions fail too; the proxy replaces the error.

use std::time::Duration;

use bytes::Bytes;
use fault_proxy_protocol::Protocol;

use super::pending::Pending;
use super::response;
use super::rule::Ending;
use super::state::State;
use super::stream_plan::StepAction;
use crate::direction::Direction;
use crate::journal::Decision;

impl State {
    /// Drops the request that begins at the offset.
    pub(super) fn replace_request(&mut self, now: Duration, offset: u64, pending: &Pending) {
        let to_upstream = Direction::ToUpstream;
        pending.entry.counters.record_action();
        self.record(to_upstream, now, offset, pending, Decision::Respond);
        self.open.inject(pending.request);
        if let Some(bytes) = response::replacement(self.protocol, pending.is_commit, self.status) {
            self.push(to_upstream, offset, StepAction::Insert(bytes), pending);
        }
        self.push(to_upstream, offset, StepAction::Drop, pending);
        self.acting().responding = Some(pending.clone());
    }

    /// The client has sent a request, or a group of messages.
    pub(super) fn end_sending(&mut self, offset: u64) {
        let responding = self.acting.as_mut().and_then(|acting| acting.responding.take());
        let Some(pending) = responding else { return };
        self.push(Direction::ToUpstream, offset, StepAction::Resume, &pending);
        if self.protocol == Protocol::Http {
            self.push(Direction::ToUpstream, offset, StepAction::AwaitResponse, &pending);
            self.acting().own.push_back(pending);
        }
    }

    /// Returns the response of the proxy, once all responses before it have ended.
    pub(super) fn own_response(&mut self) -> Option<Bytes> {
        let next = self.ended + 1;
        let own = &mut self.acting.as_mut()?.own;
        let pending = own.front().is_some_and(|first| first.request == next).then(|| own.pop_front())??;
        let bytes = pending.response()?.bytes(pending.is_head);
        self.stream(Direction::ToUpstream).end_await(pending.request);
        self.stream(Direction::ToDownstream).on_received(bytes.len());
        Some(bytes)
    }

    /// Puts the response of the proxy in the place of the upstream's, which begins at the offset.
    pub(super) fn replace_response(&mut self, offset: u64, pending: Pending) {
        let (to_client, Some(response)) = (Direction::ToDownstream, pending.response()) else { return };
        let (bytes, is_fatal) = (response.bytes(pending.is_head), response.is_fatal());
        self.push(to_client, offset, StepAction::Insert(bytes), &pending);
        if is_fatal {
            self.push(to_client, offset, StepAction::End(Ending::Close), &pending);
        } else {
            self.push(to_client, offset, StepAction::Drop, &pending);
            self.acting().replaced = Some(pending);
        }
    }

    /// The response that the proxy has replaced, if there is one, ends at the offset.
    pub(super) fn end_replaced(&mut self, offset: u64) {
        if let Some(pending) = self.acting.as_mut().and_then(|acting| acting.replaced.take()) {
            self.push(Direction::ToDownstream, offset, StepAction::Resume, &pending);
        }
    }
}
