//! Messages to the peer, except new payloads.

use std::time::Duration;

use bytes::Bytes;

use super::frame::{Flags, Header};
use super::{Destination, Session, State, Transmit};

impl Session {
    /// Returns true if [`Self::poll_transmit`] has a message.
    pub(crate) fn has_transmit(&self) -> bool {
        let is_due = match self.state {
            State::Open => {
                self.sender.has_transmit()
                    || self.answer_due
                    || self.gap_due
                    || self.resume_due
                    || self.probe_due
            }
            State::Complete => self.final_frame_due,
            State::Aborted(_) => {
                self.final_frame_due || self.sender.has_resend() || self.gap_due || self.resume_due
            }
        };
        self.is_up && !self.is_over && is_due
    }

    /// Returns the next message to publish in addition to those of [`Self::write`]. It has at most `max_message` bytes.
    /// Returns `None` while NATS is not connected.
    pub(crate) fn poll_transmit(&mut self, now: Duration, max_message: usize) -> Option<Transmit> {
        if !self.is_up || self.is_over {
            return None;
        }
        match &self.state {
            State::Aborted(failure) => {
                let reason = (!failure.is_remote).then(|| failure.reason.clone());
                self.poll_transmit_aborted(now, max_message, reason)
            }
            State::Complete => {
                if !std::mem::take(&mut self.final_frame_due) {
                    return None;
                }
                let mut header = self.header(now);
                header.flags.set(Flags::FINAL, true);
                header.flags.set(Flags::PROBE, !self.peer_done);
                self.is_over = self.peer_done;
                Some(self.message(&header, &[], !self.is_over))
            }
            State::Open => self.poll_transmit_open(now, max_message),
        }
    }

    /// Returns the next message after an abort. `reason` is set if this end has aborted.
    fn poll_transmit_aborted(
        &mut self,
        now: Duration,
        max_message: usize,
        reason: Option<String>,
    ) -> Option<Transmit> {
        if let Some(message) = self.next_resend(now, max_message) {
            self.liveness.arm(now);
            return Some(Transmit { message, to: Destination::Peer, wants_reply: false });
        }
        let is_gap = std::mem::take(&mut self.gap_due) | std::mem::take(&mut self.resume_due);
        if !(std::mem::take(&mut self.final_frame_due) | is_gap) {
            return None;
        }
        let mut header = Header { seq: self.sender.reset_seq(), ..self.receiver.advertise(now) };
        let Some(reason) = reason else {
            let is_missing = self.receiver.is_missing();
            header.flags.set(Flags::GAP, is_missing);
            header.flags.set(Flags::PROBE, is_missing);
            header.flags.set(Flags::FINAL, !is_missing);
            self.is_over = !is_missing;
            return Some(self.message(&header, &[], is_missing));
        };
        header.flags.set(Flags::RST, true);
        header.flags.set(Flags::FIN, self.sender.has_unacked());
        let longest = self.limit.max_message().min(max_message);
        Some(Transmit {
            message: self.codec.encode_within(&header, reason.as_bytes(), longest),
            to: Destination::Peer,
            wants_reply: true,
        })
    }

    fn poll_transmit_open(&mut self, now: Duration, max_message: usize) -> Option<Transmit> {
        if let Some(message) = self.next_resend(now, max_message) {
            self.liveness.arm(now);
            return Some(Transmit { message, to: Destination::Peer, wants_reply: false });
        }
        if self.sender.take_end() {
            let mut header = self.header(now);
            header.flags.set(Flags::FIN, true);
            let transmit = self.message(&header, &[], false);
            self.sender.push_unacked(now, 1, transmit.message.clone());
            self.liveness.arm(now);
            return Some(transmit);
        }
        if !(self.answer_due || self.gap_due || self.resume_due || self.probe_due) {
            return None;
        }
        let mut header = self.header(now);
        // With both flags, the peer would attribute the loss to this end's NATS connection, and would not shorten its
        // messages. So a gap after a message was lost on the way is reported first, and the probe follows.
        let is_resumed = std::mem::take(&mut self.resume_due);
        let is_gap = std::mem::take(&mut self.gap_due) || is_resumed;
        let is_probe = (is_resumed || !is_gap) && std::mem::take(&mut self.probe_due);
        header.flags.set(Flags::GAP, is_gap);
        header.flags.set(Flags::PROBE, is_probe);
        Some(self.message(&header, &[], is_probe))
    }

    /// Returns the next message to send again. It is cut if it is longer than the current maximum.
    fn next_resend(&mut self, now: Duration, max_message: usize) -> Option<Bytes> {
        let (seq, behind, frame) = self.sender.next_resend()?;
        let longest = self.limit.max_message().min(max_message);
        if frame.len() <= longest {
            self.sender.on_resent(None);
            return Some(frame);
        }
        let payload = match self.cut.take() {
            Some((cut, payload)) if cut == seq => payload,
            _ => self.codec.decode(frame).expect("this end has encoded it").1,
        };
        let rest = payload.slice(behind..);
        let piece = rest.slice(..rest.len().min(self.codec.payload_within(longest)));
        let header = self.header(now);
        self.sender.on_resent(Some(piece.len()));
        if piece.len() < rest.len() {
            self.cut = Some((seq, payload));
        }
        Some(self.codec.encode(&header, &piece))
    }

    /// Returns the header of a frame, and records it as sent to the peer.
    pub(super) fn header(&mut self, now: Duration) -> Header {
        self.ack_by = None;
        self.answer_due = false;
        Header { seq: self.sender.seq(), ..self.receiver.advertise(now) }
    }

    fn message(&self, header: &Header, payload: &[u8], wants_reply: bool) -> Transmit {
        Transmit { message: self.codec.encode(header, payload), to: Destination::Peer, wants_reply }
    }
}
