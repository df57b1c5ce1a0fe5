//! The stage of a flow that loses segments and sends them again.

use std::time::Duration;

use rand::RngExt;

use super::flight::{Acknowledgment, Flight};
use super::model::LossModel;
use super::process::LossProcess;
use super::queue::Queue;
use super::timeout::{Alarm, Timer};
use super::window::Window;
use crate::journal::Decision;
use crate::stage::chunk::Chunk;
use crate::stage::rng::DrawKey;

/// A TCP sender, its path, and a receiver that delivers in order.
///
/// A segment is sent when it has arrived and the window allows it. If it is not lost, it is delivered immediately (other faults
/// delay data), and its acknowledgment follows one round trip later. If it is lost, it and all later segments are held until
/// one of its retransmissions is delivered. The work per segment is constant, except for the logarithm of the number of lost segments.
///
/// All times are those of the chunks and of the sender's own timers. A late call to [`pop`](Self::pop) does not change them if
/// all chunks that arrived by `now` were pushed before. A chunk that is pushed later counts as arriving at the sender's last event.
#[derive(Debug)]
pub(crate) struct LossySender {
    process: LossProcess,
    /// Share of retransmissions that are lost. Each is drawn independently, since a retransmission follows a burst of losses by at
    /// least one round trip.
    share: f64,
    key: DrawKey,
    round_trip: Duration,
    mss: u32,
    queue: Queue,
    flight: Flight,
    window: Window,
    timer: Timer,
    /// Time of the last event or arrival.
    clock: Duration,
    counts: LossCounts,
}

/// Counts of the segments of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LossCounts {
    /// Segments sent, each counted once.
    pub(crate) segments: u64,
    /// Segments whose first transmission was lost.
    pub(crate) lost: u64,
}

/// A decision of the sender or of the path, in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LossEvent {
    /// Time of the event.
    pub(crate) at: Duration,
    /// Number of the segment, as in its chunks.
    pub(crate) segment: u64,
    /// Offset of the segment's first byte.
    pub(crate) offset: u64,
    /// Outcome of the segment.
    pub(crate) decision: Decision,
}

impl LossySender {
    /// `round_trip` is the round-trip time of the simulated path, and `mss` the size of a full segment in
    /// bytes.
    pub(crate) fn new(model: &LossModel, round_trip: Duration, mss: u32, key: DrawKey) -> Self {
        Self {
            process: LossProcess::new(model),
            share: model.share(),
            key,
            round_trip,
            mss,
            queue: Queue::default(),
            flight: Flight::new(round_trip),
            window: Window::new(mss),
            timer: Timer::new(round_trip),
            clock: Duration::ZERO,
            counts: LossCounts::default(),
        }
    }

    /// Adds a chunk. Calls `report` for each loss and retransmission up to its arrival.
    pub(crate) fn push(&mut self, chunk: Chunk, report: &mut dyn FnMut(LossEvent)) {
        self.advance(chunk.at, report);
        self.clock = self.clock.max(chunk.at);
        self.queue.push(Chunk { at: self.clock, ..chunk }, || {
            let mut draws = self.key.at(chunk.offset);
            (self.process.is_lost(&mut draws), draws)
        });
        self.send_allowed(report);
    }

    /// Returns the next chunk that has left by `now`, with the time at which it left. That is neither before its arrival nor before the
    /// previous chunk.
    pub(crate) fn pop(&mut self, now: Duration, report: &mut dyn FnMut(LossEvent)) -> Option<Chunk> {
        self.advance(now, report);
        self.queue.pop(now)
    }

    /// Returns the time of the next call to [`pop`](Self::pop), or `None` if nothing is held.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.queue.next_ready().or_else(|| self.next_event().filter(|_| self.queue.holds()))
    }

    /// Returns the number of bytes that wait for the window. The window is filled if the source is read while
    /// they are fewer than 64 KiB.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.unsent_bytes
    }

    /// Returns the allocated memory of chunks, segments and transmissions in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.queue.memory() + self.flight.memory()
    }

    /// Returns all held chunks in order, because the fault is switched off. Afterwards, the sender is as new
    /// except for the state of its losses and its counts.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Chunk> {
        self.flight = Flight::new(self.round_trip);
        self.window = Window::new(self.mss);
        self.timer = Timer::new(self.round_trip);
        self.queue.drain(self.clock)
    }

    pub(crate) fn take_counts(&mut self) -> LossCounts {
        std::mem::take(&mut self.counts)
    }

    fn next_alarm(&self) -> Option<(Duration, Alarm)> {
        self.timer.next(self.flight.outstanding(), self.window.recovering())
    }

    fn next_event(&self) -> Option<Duration> {
        let alarm = self.next_alarm().map(|(at, _)| at);
        self.flight.next_acknowledgment().into_iter().chain(alarm).min()
    }

    fn advance(&mut self, now: Duration, report: &mut dyn FnMut(LossEvent)) {
        while let Some(at) = self.next_event().filter(|at| *at <= now) {
            self.clock = self.clock.max(at);
            if self.flight.next_acknowledgment() == Some(at) {
                self.acknowledge(report);
            } else if let Some((_, alarm)) = self.next_alarm() {
                match alarm {
                    Alarm::Probe => self.probe(report),
                    Alarm::Timeout => self.time_out(report),
                }
            }
            self.send_allowed(report);
        }
    }

    fn acknowledge(&mut self, report: &mut dyn FnMut(LossEvent)) {
        let Some(Acknowledgment { of, last_lost }) = self.flight.acknowledge() else { return };
        self.timer.acknowledged(self.clock);
        self.window.acknowledged(of.segment, of.number);
        if last_lost.is_some_and(|segment| self.window.is_news(segment)) {
            self.window.halve(self.queue.next_unsent(), self.flight.unacknowledged());
            // RFC 6675, section 5, step 4.3: the first lost segment is sent again regardless of the window.
            self.resend_first_lost(|lost| Decision::Retransmit { lost }, report);
        }
    }

    fn probe(&mut self, report: &mut dyn FnMut(LossEvent)) {
        if !self.send_new(report)
            && let Some(segment) = self.flight.take_last_missing()
        {
            self.resend(segment, |lost| Decision::Probe { lost }, report);
        }
        self.timer.probed(self.clock);
    }

    fn time_out(&mut self, report: &mut dyn FnMut(LossEvent)) {
        let n = self.timer.timed_out();
        self.flight.give_up(self.clock);
        self.window.collapse(n == 1, self.queue.next_unsent(), self.flight.unacknowledged());
        self.resend_first_lost(|lost| Decision::RetransmitTimeout { n, lost }, report);
    }

    fn send_allowed(&mut self, report: &mut dyn FnMut(LossEvent)) {
        while self.flight.outstanding() < self.window.size {
            let sent =
                self.resend_first_lost(|lost| Decision::Retransmit { lost }, report) || self.send_new(report);
            if !sent {
                break;
            }
        }
    }

    fn send_new(&mut self, report: &mut dyn FnMut(LossEvent)) -> bool {
        let Some((index, segment)) = self.queue.send() else { return false };
        let lost = segment.lost;
        self.counts.segments += 1;
        self.counts.lost += u64::from(lost);
        if lost {
            let (number, offset) = (segment.number, segment.offset);
            report(LossEvent { at: self.clock, segment: number, offset, decision: Decision::Lost });
        }
        self.timer.sent(self.clock, self.flight.outstanding() == 0);
        self.transmit(index, lost);
        true
    }

    fn resend_first_lost(
        &mut self,
        decision: impl Fn(bool) -> Decision,
        report: &mut dyn FnMut(LossEvent),
    ) -> bool {
        let first = self.flight.take_lost();
        if let Some(segment) = first {
            self.resend(segment, decision, report);
        }
        first.is_some()
    }

    fn resend(&mut self, index: u64, decision: impl Fn(bool) -> Decision, report: &mut dyn FnMut(LossEvent)) {
        let segment = self.queue.segment(index);
        let lost = segment.draws.random::<f64>() < self.share;
        report(LossEvent {
            at: self.clock,
            segment: segment.number,
            offset: segment.offset,
            decision: decision(lost),
        });
        self.timer.sent_again(self.clock);
        self.transmit(index, lost);
    }

    fn transmit(&mut self, index: u64, lost: bool) {
        let number = self.flight.send(index, self.clock, !lost);
        self.window.sent(number, self.flight.outstanding());
        if !lost {
            self.queue.receive(index, self.clock);
        }
    }
}
