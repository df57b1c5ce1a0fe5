//! The requests of a session, and faults on them.
//!
//! [`Requests`] is pure: it reads bytes and times, and returns how far each stream may pass. [`stream`] puts it around the two connections
//! of a session.

pub(crate) mod count;
mod follow;
mod open;
mod pending;
mod respond;
pub(crate) mod response;
pub(crate) mod rule;
mod select;
mod state;
mod steps;
#[cfg(feature = "relay")]
pub(crate) mod stream;
mod stream_plan;
#[cfg(all(test, feature = "relay"))]
mod tests;

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault_proxy_protocol::{Framer, Protocol};

use self::state::State;
use self::stream_plan::{Next, StreamPlan};
use crate::direction::Direction;
use crate::pipeline::SessionContext;
use crate::proxy;
use crate::shared::SessionEnd;

/// Next action for the bytes at the head of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Pass up to this number of bytes.
    Pass(usize),
    /// Drop this number of bytes.
    Drop(usize),
    /// Pass these bytes, which are not from the stream, before all others.
    Insert(Bytes),
    /// These bytes were received, from the proxy itself.
    Receive(Bytes),
    /// Wait until this time.
    Wait(Duration),
    /// Receive more, or end if the stream has ended. At this time, if there is one, the next action may be another.
    More(Option<Duration>),
    /// End the session.
    End(SessionEnd),
}

/// The requests of one session.
#[derive(Debug)]
pub(crate) struct Requests {
    framer: Framer,
    state: State,
}

impl Requests {
    pub(crate) fn new(protocol: Protocol, proxy: Arc<proxy::Shared>, context: Arc<SessionContext>) -> Self {
        let state = State::new(protocol, proxy, context);
        Self { framer: Framer::new(protocol), state }
    }

    /// Reads the next bytes in `direction`. Returns true if the other direction may have to go on.
    pub(crate) fn on_received(&mut self, direction: Direction, now: Duration, bytes: &[u8]) -> bool {
        let Self { framer, state } = self;
        state.sync_plan(now);
        state.stream(direction).on_received(bytes.len());
        match direction {
            // Bytes behind the last request are dropped.
            Direction::ToUpstream if state.is_closing => {}
            Direction::ToUpstream => {
                framer.on_requests(bytes, |event| state.on_request(now, event));
                if let Some(acting) = &state.acting {
                    acting.embedded.iter().for_each(|request| framer.embed_query(*request));
                }
            }
            Direction::ToDownstream => {
                framer.on_responses(bytes, |event| state.on_response(now, event));
                if state.awaits_ready() && !framer.expects_ready() {
                    state.end_group(now, u64::MAX, None);
                }
            }
        }
        while let Some((pending, bytes)) = state.own_response() {
            framer.on_responses(&bytes, |event| state.on_response(now, event));
            if state.awaits_ready() && !framer.expects_ready() {
                state.end_group(now, u64::MAX, None);
            }
            state.acting().injected.extend_from_slice(&bytes);
            state.end_own_response(&pending);
        }
        state.open.publish();
        state.acting.as_ref().is_some_and(|acting| !acting.injected.is_empty())
    }

    /// The stream in `direction` has ended: `is_clean` unless it was reset.
    pub(crate) fn on_end(&mut self, direction: Direction, now: Duration, is_clean: bool) {
        let Self { framer, state } = self;
        state.stream(direction).on_end();
        if direction == Direction::ToUpstream || !is_clean {
            return;
        }
        framer.on_responses_end(|event| state.on_response(now, event));
        if state.awaits_ready() && !framer.expects_ready() {
            state.end_group(now, u64::MAX, None);
        }
        // The response that ends here may have passed before.
        if state.stream(direction).is_dropping() {
            self.on_dropped(direction, 0);
        } else {
            self.on_passed(direction, 0);
            self.on_written(direction, || now, 0);
        }
        self.state.open.publish();
    }

    /// Returns the next action for the bytes of `direction` that were received and have not passed.
    pub(crate) fn output(&mut self, direction: Direction, now: Duration) -> Output {
        let Self { framer, state } = self;
        state.sync_plan(now);
        if direction == Direction::ToDownstream
            && let Some(acting) = state.acting.as_mut().filter(|acting| !acting.injected.is_empty())
        {
            return Output::Receive(acting.injected.split().freeze());
        }
        loop {
            let undecided = state.undecided(direction, framer);
            match state.stream(direction).next(now, undecided) {
                Next::Pass(len) => return Output::Pass(to_usize(len)),
                Next::Drop(len) => return Output::Drop(to_usize(len)),
                Next::Wait(until) => {
                    state.on_wait(direction);
                    return Output::Wait(state.window_end().map_or(until, |end| end.min(until)));
                }
                Next::Receive => {
                    if let Some(output) = state.at_end(direction) {
                        return output;
                    }
                }
                Next::Step => {
                    if let Some(output) = state.take_step(direction, now) {
                        return output;
                    }
                }
            }
        }
    }

    /// Returns how many of the bytes in `direction` that were received last may pass now, if all before them have passed.
    pub(crate) fn passing(&mut self, direction: Direction, now: Duration) -> usize {
        let undecided = self.state.undecided(direction, &self.framer);
        let next = self.state.stream(direction).next(now, undecided);
        if let Next::Pass(len) = next { to_usize(len) } else { 0 }
    }

    /// Bytes have passed, and will be written.
    pub(crate) fn on_passed(&mut self, direction: Direction, len: usize) {
        self.state.stream(direction).on_passed(len as u64);
    }

    /// Inserted bytes have passed, and will be written.
    pub(crate) fn on_inserted(&mut self, direction: Direction, len: usize) {
        self.state.stream(direction).on_inserted(len);
    }

    /// Bytes were dropped.
    pub(crate) fn on_dropped(&mut self, direction: Direction, len: usize) {
        let State { streams, open, .. } = &mut self.state;
        let stream = &mut streams[direction as usize];
        stream.on_dropped(len as u64);
        while let Some(request) = stream.next_dropped() {
            if direction == Direction::ToDownstream {
                open.lose(request);
            }
        }
        open.forget_done();
    }

    /// Bytes that had passed were written. Reads the time once if they end a response, and otherwise not.
    pub(crate) fn on_written(&mut self, direction: Direction, now: impl FnOnce() -> Duration, len: usize) {
        let State { streams, open, .. } = &mut self.state;
        // A client that has ended its stream has closed the connection, and does not see what is written now.
        let is_client_gone = streams[Direction::ToUpstream as usize].has_ended();
        let stream = &mut streams[direction as usize];
        stream.on_written(len);
        let now = LazyCell::new(now);
        while let Some(request) = stream.next_written() {
            match direction {
                Direction::ToUpstream => open.forward(request),
                Direction::ToDownstream if is_client_gone => open.lose(request),
                Direction::ToDownstream => open.deliver(request, *now),
            }
        }
        open.forget_done();
        open.publish();
    }

    /// Returns true if all received bytes of `direction` have passed, and nothing is to be done before more are received.
    pub(crate) fn awaits_more(&self, direction: Direction) -> bool {
        let is_injecting = || self.state.acting.as_ref().is_some_and(|acting| !acting.injected.is_empty());
        self.state.streams[direction as usize].is_clear() && !is_injecting()
    }

    /// Returns true if all bytes pass from now on.
    pub(crate) fn is_transparent(&self) -> bool {
        self.framer.is_opaque() && self.state.streams.iter().all(StreamPlan::is_clear)
    }
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
