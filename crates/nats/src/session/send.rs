//! The direction that this end writes. Frames are kept until they are delivered.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::frame::Header;
use crate::budget::{Share, entry_size};

/// Maximum number of frames that are kept. Further small writes wait and are sent together.
const MAX_UNACKED: usize = 1024;

/// State of the end of file that this end sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Wanted,
    Sent,
}

#[derive(Debug)]
struct Sent {
    seq: u64,
    /// Sequence number after the last one of the frame.
    end: u64,
    frame: Bytes,
}

#[derive(Debug)]
pub(super) struct Sender {
    unacked: VecDeque<Sent>,
    /// Sequence number of the next new byte. Everything below it was sent at least once.
    pub(super) next: u64,
    delivered: u64,
    /// The peer has received everything below this number.
    pub(super) arrived: u64,
    limit: u64,
    /// Sequence number from which on everything is sent again.
    resend_from: Option<u64>,
    end: End,
    pub(super) share: Share,
}

/// Result of processing the header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckOutcome {
    Unchanged,
    Advanced,
    /// The header acknowledges bytes that were never sent.
    Invalid,
}

impl Sender {
    pub(super) fn new(credit: u64, share: Share) -> Self {
        Self {
            unacked: VecDeque::new(),
            next: 0,
            delivered: 0,
            arrived: 0,
            limit: credit,
            resend_from: None,
            end: End::Open,
            share,
        }
    }

    /// Returns how many bytes may be sent now.
    pub(super) fn send_capacity(&self) -> u64 {
        if self.end != End::Open || self.resend_from.is_some() || self.unacked.len() >= MAX_UNACKED {
            return 0;
        }
        self.limit.saturating_sub(self.next).min(self.share.room() as u64)
    }

    /// Returns the credit of this end beyond the bytes that the peer has read.
    pub(super) fn window(&self) -> u64 {
        self.limit.saturating_sub(self.delivered)
    }

    /// Returns the sequence number for the header of a frame that is sent now: the next one that the peer expects.
    pub(super) fn seq(&self) -> u64 {
        self.resend_from.unwrap_or(self.next)
    }

    /// Keeps a frame with `numbers` sequence numbers from [`Self::next`] on.
    pub(super) fn push_unacked(&mut self, now: Duration, numbers: usize, frame: Bytes) {
        if self.unacked.is_empty() {
            self.share.on_progress(now);
        }
        let (seq, end) = (self.next, self.next + numbers as u64);
        self.share.add(entry_size(frame.len()));
        self.unacked.push_back(Sent { seq, end, frame });
        self.next = end;
    }

    pub(super) fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Wanted;
        }
    }

    /// Returns true if the end must be sent now, and records it as sent in that case.
    pub(super) fn take_end(&mut self) -> bool {
        let is_due = self.end == End::Wanted && self.resend_from.is_none();
        if is_due {
            self.end = End::Sent;
        }
        is_due
    }

    /// Returns true if there are frames to send again, or the end to send.
    pub(super) fn has_transmit(&self) -> bool {
        self.has_resend() || self.end == End::Wanted
    }

    pub(super) fn has_resend(&self) -> bool {
        self.resend_from.is_some()
    }

    /// Returns true if frames are kept that are not delivered yet.
    pub(super) fn has_unacked(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// Returns the number below which everything is delivered before a reset.
    pub(super) fn reset_seq(&self) -> u64 {
        if self.has_unacked() { self.next } else { self.delivered }
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.end != End::Open
    }

    /// Returns true if everything was delivered, including the end.
    pub(super) fn is_delivered(&self) -> bool {
        self.end == End::Sent && self.delivered == self.next
    }

    /// Returns true if bytes are not known to have arrived, or the credit is used up.
    pub(super) fn is_waiting(&self) -> bool {
        self.arrived < self.next || (self.end == End::Open && self.limit <= self.next)
    }

    pub(super) fn on_ack(&mut self, now: Duration, header: &Header) -> AckOutcome {
        if header.got > self.next || header.ack > header.got {
            return AckOutcome::Invalid;
        }
        let before = (self.delivered, self.arrived, self.limit);
        self.delivered = self.delivered.max(header.ack);
        self.arrived = self.arrived.max(header.got);
        self.limit = self.limit.max(header.limit);
        let mut freed = 0;
        while let Some(sent) = self.unacked.front()
            && sent.end <= self.delivered
        {
            freed += entry_size(sent.frame.len());
            self.unacked.pop_front();
        }
        if freed > 0 {
            self.share.remove(freed);
            self.share.on_progress(now);
        }
        self.resend_from =
            self.resend_from.map(|again| again.max(self.arrived)).filter(|again| *again < self.next);
        if before == (self.delivered, self.arrived, self.limit) {
            AckOutcome::Unchanged
        } else {
            AckOutcome::Advanced
        }
    }

    /// Sends everything again that is not known to have arrived.
    pub(super) fn go_back(&mut self) {
        self.resend_from = Some(self.arrived).filter(|again| *again < self.next);
    }

    /// Returns the sequence number of the frame to send again next, how many of its numbers to skip, and the whole
    /// frame. The caller must call [`Self::on_resent`] afterwards.
    pub(super) fn next_resend(&self) -> Option<(u64, usize, Bytes)> {
        let again = self.resend_from?;
        let sent = self.unacked_at(again)?;
        Some((sent.seq, usize::try_from(again - sent.seq).ok()?, sent.frame.clone()))
    }

    /// Records that `numbers` of the rest of the next frame were sent again, or all of them.
    pub(super) fn on_resent(&mut self, numbers: Option<usize>) {
        let Some(again) = self.resend_from else { return };
        let end = self.unacked_at(again).map_or(self.next, |sent| sent.end);
        let again = numbers.map_or(end, |numbers| end.min(again + numbers as u64));
        self.resend_from = Some(again).filter(|again| *again < self.next);
    }

    fn unacked_at(&self, number: u64) -> Option<&Sent> {
        let sent = self.unacked.get(self.unacked.partition_point(|sent| sent.end <= number))?;
        debug_assert!(sent.seq <= number, "undelivered frames are kept");
        Some(sent)
    }

    /// Discards all kept frames.
    pub(super) fn clear(&mut self) {
        self.unacked = VecDeque::new();
        self.share.set(0);
        self.resend_from = None;
    }

    pub(super) fn shrink(&mut self) {
        self.unacked.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn check_share(&self) {
        let kept: usize = self.unacked.iter().map(|sent| entry_size(sent.frame.len())).sum();
        assert_eq!(self.share.held(), kept);
    }

    #[cfg(test)]
    pub(super) fn unacked_bytes(&self) -> usize {
        self.unacked.iter().map(|sent| usize::try_from(sent.end - sent.seq).expect("a frame")).sum()
    }
}
