//! The direction that this end reads: the data that has arrived, and what the peer has been notified of.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::frame::{Flags, Header};
use super::window::Window;
use crate::budget::{Share, payload_size, unpin};

/// Maximum number of chunks that are read without an acknowledgment. The peer keeps a limited number of frames.
const MAX_UNACKED_CHUNKS: u32 = 256;

#[derive(Debug)]
pub(super) struct Receiver {
    queue: VecDeque<Bytes>,
    /// Memory of the queue, including the chunk that was read last.
    queued: usize,
    reading: usize,
    share: Share,
    /// Everything below this number has arrived, including the end.
    got: u64,
    /// Everything below this number was read, including the end.
    taken: u64,
    /// Sequence number of the end of this direction.
    end: Option<u64>,
    /// The peer has reset the session, and delivers everything below this number.
    reset: Option<u64>,
    pub(super) window: Window,
    /// Header that was last sent to the peer.
    pub(super) advertised: Header,
    unacked_chunks: u32,
    reported_gap: Option<u64>,
}

/// Result of processing the payload of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiveOutcome {
    /// No payload.
    Empty,
    /// A payload, which may have arrived before.
    Data,
    /// Bytes before the payload are missing, and this end has not reported that yet.
    Gap,
    /// More bytes than the credit allows, or a different end than before.
    Invalid,
    /// More bytes than this process has memory for.
    TooMuch,
}

impl Receiver {
    pub(super) fn new(window: Window) -> Self {
        let advertised = Header { limit: window.size as u64, ..Header::default() };
        Self {
            queue: VecDeque::new(),
            queued: 0,
            reading: 0,
            share: Share::new(Arc::clone(&window.budget)),
            got: 0,
            taken: 0,
            end: None,
            reset: None,
            window,
            advertised,
            unacked_chunks: 0,
            reported_gap: None,
        }
    }

    pub(super) fn on_payload(
        &mut self,
        now: Duration,
        header: &Header,
        mut payload: Bytes,
    ) -> ReceiveOutcome {
        let seq = header.seq;
        let is_end = header.flags.has(Flags::FIN);
        if seq > self.got {
            let is_news = self.reported_gap != Some(self.got) || header.flags.has(Flags::PROBE);
            self.reported_gap = Some(self.got);
            return if is_news { ReceiveOutcome::Gap } else { ReceiveOutcome::Empty };
        }
        if payload.is_empty() && !is_end {
            return ReceiveOutcome::Empty;
        }
        let Some(end) = seq.checked_add(payload.len() as u64) else { return ReceiveOutcome::Invalid };
        let is_past_end = self.end.is_some_and(|known| end > known || (is_end && end != known));
        if end > self.advertised.limit || is_past_end {
            return ReceiveOutcome::Invalid;
        }
        if end > self.got {
            payload.advance(usize::try_from(self.got - seq).unwrap_or(payload.len()));
            let size = self.queued + payload_size(payload.len());
            if size > self.share.held() && !self.share.fits(size) {
                return ReceiveOutcome::TooMuch;
            }
            let len = payload.len() as u64;
            if self.queue.is_empty() {
                self.share.on_progress(now);
            }
            self.queue.push_back(unpin(payload));
            self.queued = size;
            self.got = end;
            self.reported_gap = None;
            self.window.on_arrival(now, end, self.taken, len);
            self.charge();
        }
        if is_end && self.end.is_none() {
            if end < self.got {
                return ReceiveOutcome::Invalid;
            }
            self.end = Some(end);
            self.got = end + 1;
            self.reported_gap = None;
        }
        ReceiveOutcome::Data
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        let chunk = self.queue.pop_front();
        let reading = chunk.as_ref().map_or(0, |chunk| payload_size(chunk.len()));
        self.queued -= std::mem::replace(&mut self.reading, reading);
        self.charge();
        chunk
    }

    /// Charges the budget. A window beyond 64 KiB is charged even if it is not used. The first 64 KiB are charged when
    /// they are used, because most sessions never use them.
    fn charge(&mut self) {
        self.share.set(self.queued.max(self.window.held));
    }

    pub(super) fn has_next(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn consumed(&mut self, now: Duration, bytes: usize) {
        self.share.on_progress(now);
        self.taken += bytes as u64;
        self.unacked_chunks += 1;
        debug_assert!(self.taken <= self.got, "only data that has arrived is read");
    }

    /// Returns the time of the next call to [`must_end`](Self::must_end).
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.share.deadline().filter(|_| self.has_next())
    }

    /// Returns true if the budget is full and the data has not been read for too long. A window that is reserved for
    /// data that has not arrived does not count.
    pub(super) fn must_end(&mut self, now: Duration) -> bool {
        self.has_next() && self.share.must_end(now)
    }

    /// Returns true if only the end is left to read.
    pub(super) fn is_at_end(&self) -> bool {
        self.end == Some(self.taken)
    }

    pub(super) fn take_end(&mut self) {
        self.taken += 1;
    }

    /// Returns true if the end was read.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some_and(|end| self.taken > end)
    }

    /// Returns true if an acknowledgment should be sent now.
    pub(super) fn should_ack_now(&self, now: Duration) -> bool {
        let worth = self.window.worth();
        self.taken - self.advertised.ack >= worth
            || self.unacked_chunks >= MAX_UNACKED_CHUNKS
            || self.limit(now) >= self.advertised.limit + worth
            // The peer has no credit left.
            || self.taken >= self.advertised.limit
    }

    fn limit(&self, now: Duration) -> u64 {
        self.window.limit(now, self.advertised.limit, self.taken)
    }

    /// Returns true if the state has changed since the peer was last notified.
    pub(super) fn has_unacked(&self) -> bool {
        self.taken > self.advertised.ack || self.got > self.advertised.got
    }

    /// Returns the fields of a header for this direction, and records them as sent.
    pub(super) fn advertise(&mut self, now: Duration) -> Header {
        let limit = self.limit(now);
        if limit > self.advertised.limit {
            self.window.on_grant(now, self.advertised.limit, self.got, self.taken);
        }
        self.advertised = Header { ack: self.taken, got: self.got, limit, ..Header::default() };
        self.unacked_chunks = 0;
        self.advertised
    }

    /// Records that the peer has reset the session. It delivers everything below `seq`, or has discarded everything
    /// from there on.
    pub(super) fn on_reset(&mut self, seq: u64, is_delivered: bool) {
        self.reset = is_delivered.then_some(seq);
        if !is_delivered && seq < self.got {
            self.clear();
        }
    }

    /// Returns true if bytes that the peer sent before a reset are missing.
    pub(super) fn is_missing(&self) -> bool {
        self.reset.is_some_and(|reset| self.got < reset)
    }

    /// Discards everything that has not been read.
    pub(super) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.reset = None;
        if !self.is_ended() {
            self.end = None;
        }
        self.window.give_up();
        self.queued = self.reading;
        self.charge();
    }

    /// Releases memory after some time without data.
    pub(super) fn shrink(&mut self, now: Duration) {
        self.queue.shrink_to_fit();
        self.window.shrink(now);
        self.charge();
    }

    #[cfg(test)]
    pub(super) fn check_share(&self) {
        let queued: usize = self.queue.iter().map(|chunk| payload_size(chunk.len())).sum();
        assert_eq!(self.queued, queued + self.reading);
        assert_eq!(self.share.held(), self.queued.max(self.window.held));
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum()
    }
}
