//! Handling of messages from the peer, and of reports from NATS.

use std::time::Duration;

use bytes::Bytes;

use super::frame::{Flags, FrameError, Header};
use super::receive::ReceiveOutcome;
use super::send::AckOutcome;
use super::{DOUBT_TIMEOUT, Doubt, Failure, Session, State};
use crate::handshake::printable;

impl Session {
    /// Processes a message on this end's subject.
    pub(crate) fn receive(&mut self, now: Duration, message: Bytes) -> Result<(), FrameError> {
        let (header, payload) = self.codec.decode(message)?;
        if self.is_over {
            return Ok(());
        }
        self.liveness.on_frame(now);
        self.first_frame_by = None;
        self.on_subscribed();
        if let Some(asked) = self.opened.take() {
            let rtt = now.saturating_sub(asked);
            self.receiver.window.on_answer(now, rtt);
            self.liveness.on_round_trip(rtt);
        }
        match &self.state {
            State::Aborted(failure) if failure.is_remote => self.on_reset_frame(now, &header, payload),
            State::Aborted(_) => self.on_frame_after_abort(now, &header),
            // The peer missed how this end ended. No data was lost by that.
            State::Complete if header.flags.has(Flags::RST) => {
                (self.peer_done, self.final_frame_due) = (true, true);
            }
            State::Open if header.flags.has(Flags::RST) => {
                let reason = printable(&payload);
                self.fail(now, Failure { reason, is_remote: true });
                self.receiver.on_reset(header.seq, header.flags.has(Flags::FIN));
                self.discard(now);
            }
            State::Open | State::Complete => self.on_frame(now, &header, payload),
        }
        Ok(())
    }

    /// Handles a frame after the abort of this end.
    fn on_frame_after_abort(&mut self, now: Duration, header: &Header) {
        if header.flags.has(Flags::FINAL) || header.flags.has(Flags::RST) {
            self.is_over = true;
            return;
        }
        match self.sender.on_ack(now, header) {
            AckOutcome::Unchanged => {}
            AckOutcome::Advanced => {
                self.limit.on_arrival(self.sender.arrived);
                self.last_progress = now;
                self.liveness.progress(now, self.sender.arrived);
            }
            AckOutcome::Invalid => self.discard_unacked(),
        }
        if header.flags.has(Flags::GAP) {
            self.go_back_after_loss(now);
        }
        self.final_frame_due |= header.flags.has(Flags::PROBE);
    }

    /// Handles a frame after the peer's reset. Data that the peer sent before may still arrive.
    fn on_reset_frame(&mut self, now: Duration, header: &Header, payload: Bytes) {
        if header.flags.has(Flags::FINAL) {
            self.is_over = true;
            return;
        }
        let is_reset = header.flags.has(Flags::RST);
        if is_reset && !header.flags.has(Flags::FIN) {
            // The peer has discarded the data that it still had to deliver.
            self.receiver.on_reset(header.seq, false);
        }
        if self.receiver.is_missing() && !is_reset {
            match self.receiver.on_payload(now, header, payload) {
                ReceiveOutcome::Data => self.last_progress = now,
                ReceiveOutcome::Gap => self.gap_due = true,
                ReceiveOutcome::Empty => {}
                ReceiveOutcome::Invalid | ReceiveOutcome::TooMuch => self.receiver.clear(),
            }
        }
        self.final_frame_due |= is_reset || !self.receiver.is_missing();
    }

    fn on_frame(&mut self, now: Duration, header: &Header, payload: Bytes) {
        let ack = self.sender.on_ack(now, header);
        let received = self.receiver.on_payload(now, header, payload);
        if ack == AckOutcome::Invalid || received == ReceiveOutcome::Invalid {
            let reason = "the peer violates the protocol";
            self.fail(now, Failure { reason: reason.to_owned(), is_remote: false });
            return;
        }
        if received == ReceiveOutcome::TooMuch {
            self.run_out_of_memory(now);
            return;
        }
        if ack == AckOutcome::Advanced {
            self.limit.on_arrival(self.sender.arrived);
        }
        if header.flags.has(Flags::GAP) {
            // A frame with a probe is from an end whose own NATS connection was lost.
            if header.flags.has(Flags::PROBE) { self.go_back(now) } else { self.go_back_after_loss(now) }
        }
        if ack == AckOutcome::Advanced {
            self.last_progress = now;
            self.liveness.progress(now, self.sender.arrived);
        }
        if !self.sender.is_waiting() {
            self.liveness.disarm();
        }
        match received {
            ReceiveOutcome::Data => {
                self.last_progress = now;
                self.send_header(now);
                self.discard(now);
            }
            ReceiveOutcome::Gap => self.gap_due = true,
            ReceiveOutcome::Empty | ReceiveOutcome::Invalid | ReceiveOutcome::TooMuch => {}
        }
        self.answer_due |= header.flags.has(Flags::PROBE);
        self.peer_done |= header.flags.has(Flags::FINAL);
        self.complete(now);
        if self.state == State::Complete {
            // The peer is still probing, so it did not receive the final frame.
            self.final_frame_due |= std::mem::take(&mut self.answer_due);
            self.is_over = self.peer_done && !self.final_frame_due;
            self.liveness.arm(now);
        }
    }

    /// Handles the loss of messages with the NATS connection of an end.
    fn go_back(&mut self, now: Duration) {
        self.sender.go_back();
        self.liveness.on_resend();
        self.limit.on_outage(now);
    }

    /// Handles the loss of a message on the way, possibly because a server there only accepts shorter ones.
    fn go_back_after_loss(&mut self, now: Duration) {
        self.sender.go_back();
        self.liveness.on_resend();
        if self.sender.has_unacked() && self.limit.on_loss(now, self.sender.arrived) {
            self.abort_undelivered(
                now,
                "the shortest messages are lost on the way to the other end, again and again",
            );
        }
    }

    /// Handles the report of NATS that the subject of a message with a reply subject does not have a subscriber.
    pub(crate) fn no_responders(&mut self, now: Duration) {
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.is_about_peer) {
            self.abort(now, doubt.reason);
        }
        self.on_subscribed();
        if self.first_frame_by.take().is_some() {
            self.abort(now, "the client closed its connection before it received the reply");
        }
        self.liveness.on_no_responders(now);
    }

    /// Aborts without notifying the peer, because NATS refuses all messages of this end.
    pub(crate) fn give_up(&mut self, now: Duration, reason: &str) {
        self.abort(now, reason);
        self.is_over = true;
    }

    /// Records that NATS has refused a subscription. If it is that of this session, no message will arrive.
    pub(crate) fn doubt(&mut self, now: Duration, reason: &str) {
        if !self.is_subscribed && self.doubt.is_none() {
            let (at, reason) = (now + DOUBT_TIMEOUT, reason.to_owned());
            self.doubt = Some(Box::new(Doubt { at, reason, is_about_peer: false }));
        }
    }

    /// Probes the peer, and aborts unless it answers. A report claims that the peer cannot publish.
    pub(crate) fn suspect(&mut self, now: Duration, reason: &str) {
        if self.state == State::Open && self.doubt.is_none() {
            let (at, reason) = (now + DOUBT_TIMEOUT, reason.to_owned());
            self.doubt = Some(Box::new(Doubt { at, reason, is_about_peer: true }));
            self.probe(now);
        }
    }

    /// Aborts because NATS refuses all messages except those that end the session. Unacknowledged data is discarded.
    pub(crate) fn cut_off(&mut self, now: Duration, reason: &str) {
        self.abort_undelivered(now, reason);
        self.final_frame_due = true;
    }

    /// Handles the loss or the return of this end's NATS connection.
    pub(crate) fn link(&mut self, now: Duration, is_up: bool) {
        if is_up == self.is_up {
            return;
        }
        self.is_up = is_up;
        if self.state != State::Open {
            self.last_progress = now;
        }
        if is_up {
            self.go_back(now);
            self.liveness.retry();
            self.resume_due = true;
            self.probe(now);
        } else {
            self.liveness.lost(now);
            self.first_frame_by = None;
            self.is_subscribed = false;
            // A peer that was probed on the lost connection may have answered.
            self.doubt = None;
        }
    }

    fn on_subscribed(&mut self) {
        self.is_subscribed = true;
        self.doubt = None;
    }
}
