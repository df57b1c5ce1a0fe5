//! Deadlines of a session.

use std::time::Duration;

use super::{FIRST_FRAME_TIMEOUT, Failure, NO_RESPONDERS_TIMEOUT, Session, State, liveness};

impl Session {
    /// Returns the time of the next call to [`Self::on_deadline`].
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let half_closed =
            self.is_half_closed().then(|| self.last_progress.saturating_add(self.half_close_timeout()));
        let left = self.no_responders_since().map(|since| since + NO_RESPONDERS_TIMEOUT);
        let given_up = self.is_leaving().then(|| self.last_progress.saturating_add(self.limits.max_outage));
        let liveness = self.liveness.deadline(&self.limits, self.is_up);
        let doubt = self.doubt.as_ref().map(|doubt| doubt.at);
        let times = [
            self.ack_by,
            self.first_frame_by,
            doubt,
            half_closed,
            left,
            given_up,
            self.sender.share.deadline(),
            self.receiver.deadline(),
            Some(liveness),
        ];
        times.into_iter().flatten().min()
    }

    pub(crate) fn on_deadline(&mut self, now: Duration) {
        if self.ack_by.is_some_and(|by| by <= now) {
            self.ack_by = None;
            self.answer_due = true;
        }
        if self.is_up && self.liveness.is_probe_due(now) {
            self.probe_due = true;
            self.limit.on_probe(self.sender.next);
            self.final_frame_due |= self.state != State::Open;
            if now.saturating_sub(self.last_progress) >= liveness::KEEP_ALIVE_INTERVAL {
                self.sender.shrink();
                self.receiver.shrink(now);
            }
        }
        if self.first_frame_by.is_some_and(|by| by <= now) {
            self.first_frame_by = None;
            let seconds = FIRST_FRAME_TIMEOUT.as_secs_f64();
            self.abort(now, format!("the client sent nothing for {seconds} s"));
        }
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.at <= now) {
            self.abort(now, doubt.reason);
        }
        let no_responders_since = self.no_responders_since();
        if self.liveness.has_expired(now, &self.limits) {
            let seconds = self.limits.max_outage.as_secs_f64();
            let reason = match self.liveness.no_responders_since {
                _ if !self.is_up => format!("NATS was away for {seconds} s"),
                Some(_) => format!("the other end has ended: NATS had no subscriber for {seconds} s"),
                None => format!("the other end has not answered for {seconds} s"),
            };
            match self.state {
                State::Open => self.fail(now, Failure { reason, is_remote: false }),
                State::Complete | State::Aborted(_) => self.is_over = true,
            }
        } else if no_responders_since.is_some_and(|since| now >= since + NO_RESPONDERS_TIMEOUT)
            || (self.is_leaving() && now >= self.last_progress.saturating_add(self.limits.max_outage))
        {
            self.is_over = true;
        }
        if self.sender.share.must_end(now) || self.receiver.must_end(now) {
            self.run_out_of_memory(now);
        }
        if self.is_half_closed() && now >= self.last_progress.saturating_add(self.half_close_timeout()) {
            let seconds = self.half_close_timeout().as_secs_f64();
            self.abort(now, format!("half-closed, and no data for {seconds} s"));
        }
    }

    /// Sends a probe, or the frame that the state of the session requires.
    pub(super) fn probe(&mut self, now: Duration) {
        self.probe_due = true;
        self.final_frame_due |= self.state != State::Open;
        self.liveness.probe(now);
    }

    /// Returns the time since which the peer has not listened, if there are no bytes left to deliver or to receive.
    fn no_responders_since(&self) -> Option<Duration> {
        self.liveness.no_responders_since.filter(|_| self.state != State::Open && !self.is_unfinished())
    }

    /// Returns true while only the notification of the peer is missing, or the rest of an abort, and NATS is connected.
    fn is_leaving(&self) -> bool {
        self.is_up && self.state != State::Open
    }

    fn half_close_timeout(&self) -> Duration {
        if self.has_reader { self.limits.half_close_timeout } else { self.limits.max_outage }
    }

    fn is_half_closed(&self) -> bool {
        self.state == State::Open && (self.sender.is_finishing() || self.receiver.is_ended())
    }
}
