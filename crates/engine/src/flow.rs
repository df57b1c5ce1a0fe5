//! One direction of a session, which follows changes of the plan.

mod arrivals;
mod faulted;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use self::faulted::Faulted;
use crate::direction::Direction;
use crate::pipeline::{Arrival, Output, Segmenter};
use crate::proxy::Watcher;
use crate::shared::{SessionEnd, SessionShared};
use crate::stage::chunk::FlowEnd;

/// Maximum number of consecutive reads before the received bytes are handled.
const READS: usize = 4;

#[derive(Debug)]
pub(crate) struct FaultFlow {
    pub(crate) shared: Arc<SessionShared>,
    state: State,
    watcher: Watcher,
    version: u64,
    pub(crate) direction: Direction,
    source_ended: bool,
    /// True if the source was found empty after the last read and has been polled since then.
    source_was_empty: bool,
    /// True if the receiver has reset its connection. The pipeline continues, so that faults decide the same,
    /// but its bytes are dropped.
    discards_output: bool,
}

#[derive(Debug)]
enum State {
    /// No fault acts on the direction. Most sessions of a proxy that could have faults are idle in this state.
    Clear(Segmenter),
    /// A fault is on, a schedule may switch one on, or bytes are held.
    Faulted(Box<Faulted>),
}

impl FaultFlow {
    pub(crate) fn new(common: Arc<SessionShared>, direction: Direction) -> Self {
        let version = common.faults.version();
        let plan = common.faults.plan();
        let mut flow = Self {
            state: State::Clear(Segmenter::for_plan(&plan)),
            watcher: Watcher::new(Arc::clone(&common.faults)),
            version,
            direction,
            source_ended: false,
            source_was_empty: true,
            discards_output: false,
            shared: common,
        };
        if plan.iter().any(|entry| entry.acts_on(direction)) {
            flow.faulted();
        }
        flow
    }

    /// Returns the state that faults need. Creates it if it is missing.
    fn faulted(&mut self) -> &mut Faulted {
        if let State::Clear(segmenter) = &self.state {
            let faulted =
                Faulted::new(Arc::clone(&self.shared), self.direction, segmenter.clone(), self.now());
            self.state = State::Faulted(Box::new(faulted));
        }
        match &mut self.state {
            State::Faulted(faulted) => faulted,
            State::Clear(_) => unreachable!("replaced above"),
        }
    }

    /// Returns true if bytes currently pass unchanged.
    pub(crate) fn is_passthrough(&self) -> bool {
        let is_clear = match &self.state {
            State::Clear(_) => true,
            State::Faulted(faulted) => {
                let pipeline = &faulted.pipeline;
                pipeline.is_idle() && pipeline.deadline.is_none_or(|deadline| self.now() < deadline)
            }
        };
        is_clear && self.is_up_to_date() && self.shared.ended().is_none()
    }

    /// Returns true if the plan has not changed since it was applied.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.version == self.shared.faults.version()
    }

    fn now(&self) -> Duration {
        self.shared.faults.engine.now()
    }

    /// Applies a changed plan, and wakes the task when the plan changes again. Returns true while bytes pass
    /// unchanged.
    pub(crate) fn poll_passthrough(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.shared.ended().is_some() {
                return false;
            }
            self.watcher.watch(cx);
            if matches!(self.state, State::Clear(_)) && self.is_up_to_date() {
                // Most calls end here, without reading the clock.
                return true;
            }
            let now = self.update();
            let State::Faulted(faulted) = &mut self.state else { return true };
            if !faulted.pipeline.is_idle() {
                return false;
            }
            if faulted.poll_deadline(cx, now).is_pending() {
                self.release_unused();
                return true;
            }
        }
    }

    /// Drops the state that faults need if no fault acts and no bytes are held.
    fn release_unused(&mut self) {
        if let State::Faulted(faulted) = &self.state
            && let Some(segmenter) = faulted.pipeline.unused()
        {
            self.state = State::Clear(segmenter.clone());
        }
    }

    fn update(&mut self) -> Duration {
        let now = self.sync_plan();
        if let State::Faulted(faulted) = &mut self.state {
            faulted.pipeline.advance(now);
            faulted.record();
        }
        now
    }

    /// Applies a changed plan. Callers do this before they handle received bytes, which may have been sent after the change.
    fn sync_plan(&mut self) -> Duration {
        let now = self.now();
        let version = self.shared.faults.version();
        if version != self.version {
            self.version = version;
            let plan = self.shared.faults.plan();
            match &mut self.state {
                State::Faulted(faulted) => {
                    faulted.pipeline.sync_plan(&plan, now);
                    faulted.record();
                }
                State::Clear(_) if plan.iter().any(|entry| entry.acts_on(self.direction)) => {
                    self.faulted();
                }
                State::Clear(_) => {}
            }
        }
        now
    }

    /// Returns when the bytes that were read last have arrived, or the present time while faults act.
    #[cfg(feature = "relay")]
    pub(crate) fn last_arrival(&self) -> Duration {
        match &self.state {
            State::Clear(segmenter) => segmenter.last_at,
            State::Faulted(_) => self.now(),
        }
    }

    /// Counts bytes that passed unchanged.
    pub(crate) fn on_bypassed(&mut self, len: usize) {
        let turn = self.shared.count(self.direction, len);
        let arrival = Arrival { at: self.now(), turn, was_empty: true };
        match &mut self.state {
            State::Clear(segmenter) => segmenter.on_bypassed(arrival, len),
            State::Faulted(faulted) => faulted.pipeline.on_bypassed(arrival, len),
        }
    }

    /// Reads from `source` into the buffer while the flow has room. Ready if the source may have more data.
    pub(crate) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
    ) -> Poll<()> {
        for _ in 0..READS {
            if !self.has_room() || self.source_ended {
                self.keep_source_waiting();
                return Poll::Pending;
            }
            let room = self.shared.faults.engine.room();
            match poll_read_buf(Pin::new(&mut *source), cx, self.faulted().buffer.room(room)) {
                Poll::Ready(Ok(len)) if len > 0 => self.on_received(len),
                nothing => {
                    self.faulted().buffer.release_unused();
                    self.source_was_empty = true;
                    if nothing.is_pending() {
                        self.release_unused();
                    }
                    match std::task::ready!(nothing) {
                        Ok(_) => self.finish(FlowEnd::Finish),
                        Err(error) => {
                            if is_reset(&error) {
                                self.shared.sender_is_gone(self.direction);
                                // One task polls both directions of a relayed session. Wake it, so that it
                                // polls the other direction too.
                                cx.waker().wake_by_ref();
                            }
                            self.faulted().failure = Some(error);
                            self.finish(FlowEnd::Fail);
                        }
                    }
                }
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn has_room(&self) -> bool {
        match &self.state {
            State::Clear(_) => true,
            State::Faulted(faulted) => faulted.has_room(),
        }
    }

    /// Buffers a part of `bytes`. Returns its length.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let limit = self.shared.faults.engine.room();
        let room = self.faulted().buffer.room(limit);
        let len = bytes.len().min(room.capacity() - room.len());
        room.extend_from_slice(&bytes[..len]);
        self.on_received(len);
        self.source_was_empty = true;
        len
    }

    /// Records that the source is not polled although it may have bytes. The time until they are read is then not a pause of
    /// their sender.
    pub(crate) fn keep_source_waiting(&mut self) {
        self.source_was_empty = false;
    }

    /// Buffers all of `bytes`, even beyond the limit.
    pub(crate) fn write_unbounded(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.write(bytes);
            bytes = &bytes[taken..];
        }
    }

    fn on_received(&mut self, len: usize) {
        let now = self.sync_plan();
        let turn = self.shared.count(self.direction, len);
        let was_empty = std::mem::take(&mut self.source_was_empty);
        let State::Faulted(faulted) = &mut self.state else { return };
        faulted.on_received(Arrival { at: now, turn, was_empty }, len);
        if self.discards_output {
            faulted.drop_bytes(len);
        }
        faulted.charge();
    }

    /// Drops the bytes if their receiver has reset its connection.
    pub(crate) fn drop_undeliverable(&mut self) {
        if !self.discards_output && self.shared.has_no_receiver(self.direction) {
            self.discards_output = true;
            if let State::Faulted(faulted) = &mut self.state {
                faulted.drop_bytes(faulted.pipeline.held);
                faulted.charge();
            }
        }
    }

    pub(crate) fn finish(&mut self, end: FlowEnd) {
        if !self.source_ended {
            self.source_ended = true;
            let now = self.sync_plan();
            let faulted = self.faulted();
            faulted.pipeline.finish(now, end);
            faulted.record();
        }
    }

    /// Waits for bytes that may be written. Returns how many are at the head of the buffer, or 0 at the end
    /// of the flow.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            match self.shared.ended() {
                Some(SessionEnd::Closed) => return Poll::Ready(Ok(0)),
                Some(SessionEnd::Reset(..) | SessionEnd::ResetNow(_)) => return Poll::Ready(Err(reset())),
                None => {}
            }
            self.watcher.watch(cx);
            let now = self.update();
            let State::Faulted(faulted) = &mut self.state else { return Poll::Pending };
            // No peer is left that could notice how long a fault holds the end.
            if self.shared.has_no_peer() {
                return Poll::Ready(Err(faulted.failure.take().unwrap_or_else(reset)));
            }
            match faulted.pipeline.output() {
                Output::Insert if self.discards_output => drop(faulted.pipeline.take_inserted()),
                Output::Insert => faulted.write_inserted(now),
                Output::Deliver(len) | Output::Discard(len) if self.discards_output => {
                    faulted.pipeline.on_output(len);
                    faulted.charge();
                }
                Output::Deliver(len) => {
                    // The deadline of the remaining bytes applies even if the caller does not take these
                    // bytes.
                    if faulted.poll_deadline(cx, now).is_pending() {
                        return Poll::Ready(Ok(len));
                    }
                }
                Output::Discard(len) => {
                    self.shared.faults.on_lost(self.direction, len);
                    faulted.advance(now, len);
                }
                Output::End(FlowEnd::Finish | FlowEnd::No) => return Poll::Ready(Ok(0)),
                Output::End(FlowEnd::Fail) => {
                    return Poll::Ready(Err(faulted.failure.take().unwrap_or_else(reset)));
                }
                Output::End(FlowEnd::Close | FlowEnd::CloseNow) => self.end_session(cx, SessionEnd::Closed),
                Output::End(FlowEnd::Reset(sides)) => {
                    self.end_session(cx, SessionEnd::Reset(sides, self.direction));
                }
                Output::End(FlowEnd::ResetNow(sides)) => self.end_session(cx, SessionEnd::ResetNow(sides)),
                Output::Wait => std::task::ready!(faulted.poll_deadline(cx, now)),
            }
        }
    }

    /// Advances the faults while the caller does not take the bytes that are ready. Returns how the session
    /// has ended.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Option<SessionEnd> {
        self.keep_source_waiting();
        self.drop_undeliverable();
        let head = self.poll_head(cx);
        let ended = self.shared.ended();
        if let (None, Poll::Ready(Err(failure)), State::Faulted(faulted)) = (ended, head, &mut self.state) {
            // A later read returns the error.
            faulted.failure = Some(failure);
        }
        ended
    }

    /// Ends the session and wakes its task, which polls both directions, so that it polls the other direction
    /// too.
    fn end_session(&self, cx: &Context<'_>, end: SessionEnd) {
        self.shared.end(end);
        cx.waker().wake_by_ref();
    }

    pub(crate) fn head(&self, len: usize) -> &[u8] {
        match &self.state {
            State::Clear(_) => &[],
            State::Faulted(faulted) => faulted.buffer.head(len),
        }
    }

    pub(crate) fn consume(&mut self, len: usize) {
        let now = self.now();
        if let State::Faulted(faulted) = &mut self.state {
            let byte_micros = faulted.advance(now, len);
            self.shared.faults.on_delivered(self.direction, len, byte_micros);
        }
    }

    /// Returns true if all received bytes and the end of the flow, if any, have left.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.state {
            State::Clear(_) => true,
            State::Faulted(faulted) => faulted.pipeline.held == 0,
        }
    }
}

impl Drop for FaultFlow {
    fn drop(&mut self) {
        if let State::Faulted(faulted) = &self.state {
            let held = if self.discards_output { 0 } else { faulted.pipeline.held };
            faulted.give_up(held);
        }
    }
}

/// Returns true if the error ends the connection in both directions.
fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | TimedOut)
}

pub(crate) fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "reset by a fault")
}
