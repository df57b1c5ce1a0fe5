//! One direction of a session with its bytes, its timer and its place among the watchers of the plan.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use crate::common::{Common, End};
use crate::effect::Direction;
use crate::faults::{self, Watcher};
use crate::line::Identity;
use crate::line::piece::Ending;
use crate::line::{Arrival, Departure, Line};
use crate::meter::Arrivals;
use crate::store::Store;
use crate::timer::{Timer, Timers};

/// Reads in a row before what came is looked at.
const READS: usize = 4;

#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) common: Arc<Common>,
    faults: Arc<faults::Shared>,
    direction: Direction,
    line: Line,
    store: Store,
    /// Memory that the engine has counted for the flow.
    memory: usize,
    arrivals: Arrivals,
    timer: Timer,
    watcher: Watcher,
    version: u64,
    source_ended: bool,
    /// Whether the source was found empty after the last read, and has been polled since then.
    source_was_empty: bool,
    failure: Option<io::Error>,
    /// The receiver is gone: the line goes on, so that the faults decide as they would have, but its bytes are dropped.
    is_hollow: bool,
}

impl Half {
    pub(crate) fn new(
        faults: Arc<faults::Shared>,
        identity: Arc<Identity>,
        common: Arc<Common>,
        direction: Direction,
        timers: &Timers,
    ) -> Self {
        let version = faults.version();
        let plan = faults.plan();
        Self {
            common,
            line: Line::new(&plan, identity, direction, faults.engine.now()),
            store: Store::new(),
            memory: 0,
            arrivals: Arrivals::default(),
            timer: Timer::new(timers.clone()),
            watcher: Watcher::new(Arc::clone(&faults)),
            version,
            source_ended: false,
            source_was_empty: true,
            failure: None,
            is_hollow: false,
            direction,
            faults,
        }
    }

    /// Whether bytes pass as they are at this moment.
    pub(crate) fn is_passing(&self) -> bool {
        self.line.is_idle()
            && self.is_up_to_date()
            && self.line.deadline().is_none_or(|deadline| self.now() < deadline)
            && self.common.ended().is_none()
    }

    /// Whether the plan is still the one that it has taken over.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.version == self.faults.version()
    }

    fn now(&self) -> Duration {
        self.faults.engine.now()
    }

    /// Brings plan and line up to date, and has the task woken when they change again. Returns true while bytes pass
    /// as they are.
    pub(crate) fn poll_passing(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.common.ended().is_some() {
                return false;
            }
            let now = self.update(cx);
            if !self.line.is_idle() {
                return false;
            }
            if self.poll_deadline(cx, now).is_pending() {
                return true;
            }
        }
    }

    fn update(&mut self, cx: &Context<'_>) -> Duration {
        self.watcher.watch(cx);
        let now = self.follow();
        self.line.advance(now);
        now
    }

    /// Takes over the plan if there is a new one: before anything that comes, since it may have been sent after the change.
    fn follow(&mut self) -> Duration {
        let now = self.now();
        let version = self.faults.version();
        if version != self.version {
            self.version = version;
            let plan = self.faults.plan();
            self.line.follow(&plan, now);
        }
        now
    }

    /// Ready if the line is to be advanced; else the task is woken when it is.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<()> {
        match self.line.deadline() {
            None => {
                self.timer.clear();
                Poll::Pending
            }
            Some(deadline) if deadline <= now => Poll::Ready(()),
            Some(deadline) => self.timer.poll_until(cx, self.faults.engine.instant(deadline)),
        }
    }

    /// Bytes passed as they are.
    pub(crate) fn passed(&mut self, len: usize) {
        let turn = self.common.count(self.direction, len);
        self.line.pass(Arrival { at: self.now(), turn, was_empty: true }, len);
    }

    /// Reads what `source` has into the line, as far as there is room. Ready: there may be more.
    pub(crate) fn poll_take_in<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
    ) -> Poll<()> {
        for _ in 0..READS {
            if !self.has_room() || self.source_ended {
                self.keep_source_waiting();
                return Poll::Pending;
            }
            match poll_read_buf(Pin::new(&mut *source), cx, self.store.room(self.faults.engine.room())) {
                Poll::Ready(Ok(len)) if len > 0 => self.came(len),
                nothing => {
                    self.store.leave_room();
                    self.source_was_empty = true;
                    match std::task::ready!(nothing) {
                        Ok(_) => self.finish(Ending::Finish),
                        Err(error) => {
                            if is_reset(&error) {
                                self.common.sender_is_gone(self.direction);
                                // Both directions of a relayed session are polled by one task.
                                cx.waker().wake_by_ref();
                            }
                            self.failure = Some(error);
                            self.finish(Ending::Fail);
                        }
                    }
                }
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.line.is_full() && self.faults.engine.has_room(self.line.held(), self.memory)
    }

    /// Takes in a part of `bytes`; returns its length.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> usize {
        let room = self.store.room(self.faults.engine.room());
        let len = bytes.len().min(room.capacity() - room.len());
        room.extend_from_slice(&bytes[..len]);
        self.came(len);
        self.source_was_empty = true;
        len
    }

    /// Records that the source is not polled although it may have bytes. The time until they are read is then not a pause of
    /// their sender.
    pub(crate) fn keep_source_waiting(&mut self) {
        self.source_was_empty = false;
    }

    /// Takes in all of `bytes`, room or not.
    pub(crate) fn put_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.put(bytes);
            bytes = &bytes[taken..];
        }
    }

    fn came(&mut self, len: usize) {
        let now = self.follow();
        let turn = self.common.count(self.direction, len);
        self.faults.engine.take(len);
        self.faults.meter(self.direction).came(len);
        self.arrivals.push(now, len);
        let was_empty = std::mem::take(&mut self.source_was_empty);
        self.line.arrive(Arrival { at: now, turn, was_empty }, self.store.last(len));
        if self.is_hollow {
            self.drop_bytes(len);
        }
        self.charge();
    }

    /// Gives up the bytes if their receiver is gone.
    pub(crate) fn drop_undeliverable(&mut self) {
        if !self.is_hollow && self.common.has_no_receiver(self.direction) {
            self.is_hollow = true;
            self.drop_bytes(self.line.held());
            self.charge();
        }
    }

    /// All that the store has.
    fn drop_bytes(&mut self, len: usize) {
        self.store.shrink();
        self.arrivals.clear();
        self.faults.engine.give(len);
        self.faults.meter(self.direction).lost(len);
    }

    pub(crate) fn finish(&mut self, end: Ending) {
        if !self.source_ended {
            self.source_ended = true;
            let now = self.follow();
            self.line.finish(now, end);
        }
    }

    /// Waits for bytes that may go: how many at the head of the store, 0 at the end of the flow.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            match self.common.ended() {
                Some(End::Closed) => return Poll::Ready(Ok(0)),
                Some(End::Reset(_)) => return Poll::Ready(Err(reset())),
                None => {}
            }
            let now = self.update(cx);
            match self.line.departure() {
                Departure::Deliver(len) | Departure::Discard(len) if self.is_hollow => {
                    self.line.depart(len);
                    self.charge();
                }
                Departure::Deliver(len) => {
                    // Should nobody take them, the rest still has its time.
                    if self.poll_deadline(cx, now).is_pending() {
                        return Poll::Ready(Ok(len));
                    }
                }
                Departure::Discard(len) => {
                    self.faults.meter(self.direction).lost(len);
                    self.arrivals.pop(now, len);
                    self.take_off(len);
                }
                Departure::End(Ending::Finish | Ending::No) => return Poll::Ready(Ok(0)),
                Departure::End(Ending::Fail) => {
                    return Poll::Ready(Err(self.failure.take().unwrap_or_else(reset)));
                }
                Departure::End(Ending::Close | Ending::CloseNow) => self.end_session(cx, End::Closed),
                Departure::End(Ending::Reset | Ending::ResetNow) => {
                    self.end_session(cx, End::Reset(self.line.reset_sides()));
                }
                Departure::Wait => std::task::ready!(self.poll_deadline(cx, now)),
            }
        }
    }

    /// Goes on while nobody takes what may go.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Option<End> {
        self.keep_source_waiting();
        self.drop_undeliverable();
        let head = self.poll_head(cx);
        let ended = self.common.ended();
        if let (None, Poll::Ready(Err(failure))) = (ended, head) {
            // who takes it, later, is told
            self.failure = Some(failure);
        }
        ended
    }

    /// Both directions of a relayed session are polled by one task: it has to look at the other one too.
    fn end_session(&self, cx: &Context<'_>, end: End) {
        self.common.end(end);
        cx.waker().wake_by_ref();
    }

    pub(crate) fn head(&self, len: usize) -> &[u8] {
        self.store.head(len)
    }

    pub(crate) fn consume(&mut self, len: usize) {
        let byte_micros = self.arrivals.pop(self.now(), len);
        self.faults.meter(self.direction).delivered(len, byte_micros);
        self.take_off(len);
    }

    fn take_off(&mut self, len: usize) {
        self.store.consume(len);
        self.line.depart(len);
        self.faults.engine.give(len);
        if self.line.is_idle() {
            self.store.shrink();
            self.arrivals.clear();
        }
        self.charge();
    }

    /// Counts the memory of the flow while it holds anything. Small pieces take more memory than they have bytes.
    fn charge(&mut self) {
        let memory = if self.line.held() == 0 {
            0
        } else {
            self.store.capacity() + self.arrivals.memory() + self.line.memory()
        };
        self.faults.engine.charge(self.memory, memory);
        self.memory = memory;
    }

    /// Whether everything that came is gone, and so is the end if there was one.
    pub(crate) fn is_empty(&self) -> bool {
        self.line.held() == 0
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let held = if self.is_hollow { 0 } else { self.line.held() };
        self.faults.engine.give(held);
        self.faults.engine.charge(self.memory, 0);
        if held > 0 {
            self.faults.meter(self.direction).lost(held);
        }
    }
}

/// Whether the connection is gone in both directions.
fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | TimedOut)
}

pub(crate) fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "reset by a fault")
}
