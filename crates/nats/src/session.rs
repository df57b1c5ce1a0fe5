//! One end of a reliable session, as a pure state machine: messages, bytes and times in; messages, bytes and deadlines
//! out. `docs/nats-protocol.md` is what it does.
//!
//! - `frame`: what goes over the wire; `send`, `receive`: the two directions; `window`: credit.
//! - `patience`: when to ask the other end, and when to give it up.
//!
//! Times are durations since any fixed moment.

mod frame;
mod patience;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::frame::{Codec, Flags, Header};
use self::patience::Patience;
use self::receive::{Brought, Receiver};
use self::send::{Sender, Told};
use crate::opening::{Encoding, printable};

pub(crate) use self::frame::FrameError;
pub(crate) use self::window::{FIRST_WINDOW, WindowBudget};

/// Of a frame, as a message. Two of them fit into what async-nats reads at once (65,535 bytes): of longer ones every second is
/// read in two parts, and copied.
const LONGEST_MESSAGE: usize = (32 << 10) - 512;
const ACK_DELAY: Duration = Duration::from_millis(40);
/// An end with nothing at stake leaves when nobody has listened to it for so long.
const NOBODY_LEFT: Duration = Duration::from_secs(5);

/// What both ends' operators decide.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Without a sign of the other end for so long, the session is aborted.
    pub(crate) max_outage: Duration,
    /// The same for a session with one direction ended and nothing moving in the other.
    pub(crate) half_close_timeout: Duration,
}

/// A message to be published to the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transmit {
    pub(crate) message: Bytes,
    /// With this end's own subject to reply to, so that NATS says when nobody listens.
    pub(crate) wants_reply: bool,
}

/// Why a session was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) is_the_others: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Delivered both ways; stays until the other end knows.
    Complete,
    Aborted(Failure),
}

#[derive(Debug)]
pub(crate) struct Session {
    limits: Limits,
    codec: Codec,
    sender: Sender,
    receiver: Receiver,
    patience: Patience,
    state: State,
    is_up: bool,
    /// This end has said its last word and needs none any more.
    is_over: bool,
    other_is_done: bool,
    has_reader: bool,
    /// Frames to be sent, besides payloads.
    answer_due: bool,
    gap_due: bool,
    ask_due: bool,
    farewell_due: bool,
    ack_by: Option<Duration>,
    /// When a byte last moved.
    moved: Duration,
}

impl Session {
    /// The client's end: `credit` is what the server's reply granted.
    pub(crate) fn client(
        id: &str,
        encoding: Encoding,
        credit: u64,
        limits: Limits,
        budget: Arc<WindowBudget>,
        now: Duration,
    ) -> Self {
        let mut session = Self::new(id, encoding, credit, limits, budget, now);
        session.ask(now);
        session
    }

    /// The server's end, which hears of its credit first of all.
    pub(crate) fn server(
        id: &str,
        encoding: Encoding,
        limits: Limits,
        budget: Arc<WindowBudget>,
        now: Duration,
    ) -> Self {
        Self::new(id, encoding, 0, limits, budget, now)
    }

    fn new(
        id: &str,
        encoding: Encoding,
        credit: u64,
        limits: Limits,
        budget: Arc<WindowBudget>,
        now: Duration,
    ) -> Self {
        Self {
            limits,
            codec: Codec { encoding, id: id.into() },
            sender: Sender::new(credit),
            receiver: Receiver::new(budget),
            patience: Patience::new(now),
            state: State::Open,
            is_up: true,
            is_over: false,
            other_is_done: false,
            has_reader: true,
            answer_due: false,
            gap_due: false,
            ask_due: false,
            farewell_due: false,
            ack_by: None,
            moved: now,
        }
    }

    /// Bytes that [`Self::write`] takes now, at most; messages may be of `max_message` bytes.
    pub(crate) fn room(&self, max_message: usize) -> usize {
        if !self.is_up || self.state != State::Open {
            return 0;
        }
        let longest = self.codec.payload_within(LONGEST_MESSAGE.min(max_message));
        usize::try_from(self.sender.room()).unwrap_or(longest).min(longest)
    }

    /// Takes all of `bytes`, which are no more than there is [room](Self::room) for; returns the message to be
    /// published.
    pub(crate) fn write(&mut self, now: Duration, bytes: &[u8]) -> Bytes {
        let header = self.header();
        let message = self.codec.encode(&header, bytes);
        self.sender.keep(bytes.len(), message.clone());
        self.moved = now;
        self.patience.wait(now);
        message
    }

    /// Nothing more will be written.
    pub(crate) fn finish(&mut self, now: Duration) {
        if !self.sender.is_finishing() {
            self.sender.finish();
            self.moved = now;
        }
    }

    /// Everything written, and its end, was delivered.
    pub(crate) fn is_delivered(&self) -> bool {
        self.sender.is_delivered()
    }

    /// The next bytes of the other end. Each is to be told of with [`Self::consumed`].
    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        self.receiver.next()
    }

    /// Whether there is something to be read: bytes, the end, a failure.
    pub(crate) fn is_readable(&self) -> bool {
        self.receiver.has_next()
            || self.receiver.is_at_end()
            || self.receiver.is_ended()
            || self.failure().is_some()
    }

    /// These many bytes were delivered.
    pub(crate) fn consumed(&mut self, now: Duration, bytes: usize) {
        self.receiver.consumed(bytes);
        self.moved = now;
        self.tell(now);
    }

    /// The other end's end of file, once everything before it was delivered. It counts as delivered by this.
    pub(crate) fn take_end(&mut self, now: Duration) -> bool {
        if self.receiver.is_at_end() {
            self.receiver.take_end();
            self.moved = now;
            self.answer_due = true;
            self.complete(now);
        }
        self.receiver.is_ended()
    }

    /// Aborts. The other end will know the reason.
    pub(crate) fn abort(&mut self, now: Duration, reason: impl Into<String>) {
        if self.state == State::Open {
            self.fail(now, Failure { reason: reason.into(), is_the_others: false });
        }
    }

    /// Nobody reads or writes any more: what was written is still delivered.
    pub(crate) fn close(&mut self, now: Duration) {
        self.finish(now);
        self.has_reader = false;
        self.discard(now);
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Aborted(failure) => Some(failure),
            State::Open | State::Complete => None,
        }
    }

    /// The other end may be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes a message that came on this end's subject.
    pub(crate) fn receive(&mut self, now: Duration, message: Bytes) -> Result<(), FrameError> {
        let (header, payload) = self.codec.decode(message)?;
        if self.is_over {
            return Ok(());
        }
        self.patience.hear(now);
        match &self.state {
            State::Aborted(_) => self.hear_aborted(&header),
            // It missed how this end ended, which lost nothing.
            State::Complete if header.flags.has(Flags::RST) => {
                (self.other_is_done, self.farewell_due) = (true, true);
            }
            State::Open if header.flags.has(Flags::RST) => {
                let reason = printable(&payload);
                self.fail(now, Failure { reason, is_the_others: true });
            }
            State::Open | State::Complete => self.hear(now, &header, payload),
        }
        Ok(())
    }

    fn hear_aborted(&mut self, header: &Header) {
        if header.flags.has(Flags::DONE) || header.flags.has(Flags::RST) {
            self.is_over = true;
        } else if header.flags.has(Flags::ASK) {
            self.farewell_due = true;
        }
    }

    fn hear(&mut self, now: Duration, header: &Header, payload: Bytes) {
        let told = self.sender.hear(header);
        let brought = self.receiver.hear(header, payload);
        if told == Told::Nonsense || brought == Brought::Nonsense {
            let reason = "the other end breaks the protocol";
            self.fail(now, Failure { reason: reason.to_owned(), is_the_others: false });
            return;
        }
        if header.flags.has(Flags::GAP) {
            self.sender.go_back();
        }
        if told == Told::Progress {
            self.moved = now;
            self.patience.progress(now);
        }
        if !self.sender.is_waiting() {
            self.patience.rest();
        }
        match brought {
            Brought::Payload => {
                self.moved = now;
                self.tell(now);
                self.discard(now);
            }
            Brought::Gap => self.gap_due = true,
            Brought::Nothing | Brought::Nonsense => {}
        }
        self.answer_due |= header.flags.has(Flags::ASK);
        self.other_is_done |= header.flags.has(Flags::DONE);
        self.complete(now);
        if self.state == State::Complete {
            // Whoever asks has not seen the farewell.
            self.farewell_due |= std::mem::take(&mut self.answer_due);
            self.is_over = self.other_is_done && !self.farewell_due;
            self.patience.wait(now);
        }
    }

    /// NATS says that nobody listens to what was published with a reply subject.
    pub(crate) fn no_responders(&mut self, now: Duration) {
        self.patience.nobody(now);
    }

    /// This end's own connection to NATS is lost, or back.
    pub(crate) fn link(&mut self, now: Duration, is_up: bool) {
        if is_up == self.is_up {
            return;
        }
        self.is_up = is_up;
        if is_up {
            self.sender.go_back();
            self.patience.retry();
            self.gap_due = true;
            self.ask(now);
        } else {
            self.patience.lost(now);
        }
    }

    /// Whether [`Self::poll_transmit`] has a message.
    pub(crate) fn has_transmit(&self) -> bool {
        let is_due = match self.state {
            State::Open => self.sender.has_transmit() || self.answer_due || self.gap_due || self.ask_due,
            State::Complete | State::Aborted(_) => self.farewell_due,
        };
        self.is_up && !self.is_over && is_due
    }

    /// The next message to be published, besides what [`Self::write`] returned. `None` while NATS is away.
    pub(crate) fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        if !self.is_up || self.is_over {
            return None;
        }
        match &self.state {
            State::Aborted(failure) => {
                if !std::mem::take(&mut self.farewell_due) {
                    return None;
                }
                let mut header = Header { seq: self.sender.seq(), ..self.receiver.tell() };
                if failure.is_the_others {
                    header.flags.set(Flags::DONE, true);
                    self.is_over = true;
                    return Some(self.message(&header, &[], false));
                }
                header.flags.set(Flags::RST, true);
                let reason = failure.reason.clone();
                Some(self.message(&header, reason.as_bytes(), true))
            }
            State::Complete => {
                if !std::mem::take(&mut self.farewell_due) {
                    return None;
                }
                let mut header = self.header();
                header.flags.set(Flags::DONE, true);
                header.flags.set(Flags::ASK, !self.other_is_done);
                self.is_over = self.other_is_done;
                Some(self.message(&header, &[], !self.is_over))
            }
            State::Open => self.poll_transmit_open(now),
        }
    }

    fn poll_transmit_open(&mut self, now: Duration) -> Option<Transmit> {
        if let Some(message) = self.sender.next_again() {
            self.patience.wait(now);
            return Some(Transmit { message, wants_reply: false });
        }
        if self.sender.take_end() {
            let mut header = self.header();
            header.flags.set(Flags::FIN, true);
            let transmit = self.message(&header, &[], false);
            self.sender.keep(1, transmit.message.clone());
            self.patience.wait(now);
            return Some(transmit);
        }
        if !(self.answer_due || self.gap_due || self.ask_due) {
            return None;
        }
        let mut header = self.header();
        let is_question = std::mem::take(&mut self.ask_due);
        header.flags.set(Flags::GAP, std::mem::take(&mut self.gap_due));
        header.flags.set(Flags::ASK, is_question);
        Some(self.message(&header, &[], is_question))
    }

    /// When [`Self::on_deadline`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let half_closed = self.is_half_closed().then(|| self.moved + self.half_close_timeout());
        let left = self.patience.nobody_since().filter(|_| self.state != State::Open);
        let patience = self.patience.deadline(&self.limits, self.is_up);
        let times = [self.ack_by, half_closed, left.map(|since| since + NOBODY_LEFT), Some(patience)];
        times.into_iter().flatten().min()
    }

    pub(crate) fn on_deadline(&mut self, now: Duration) {
        if self.ack_by.is_some_and(|by| by <= now) {
            self.ack_by = None;
            self.answer_due = true;
        }
        if self.is_up && self.patience.is_time_to_ask(now) {
            self.ask_due = true;
            self.farewell_due |= self.state != State::Open;
            if now.saturating_sub(self.moved) >= patience::QUIET {
                self.sender.shrink();
                self.receiver.shrink();
            }
        }
        let nobody_since = self.patience.nobody_since();
        if self.patience.is_out(now, &self.limits) {
            let seconds = self.limits.max_outage.as_secs_f64();
            let reason = match nobody_since {
                _ if !self.is_up => format!("NATS was away for {seconds} s"),
                Some(_) => format!("the other end is gone: nobody listened for {seconds} s"),
                None => format!("the other end has not answered for {seconds} s"),
            };
            match self.state {
                State::Open => self.fail(now, Failure { reason, is_the_others: false }),
                State::Complete | State::Aborted(_) => self.is_over = true,
            }
        } else if self.state != State::Open && nobody_since.is_some_and(|since| now >= since + NOBODY_LEFT) {
            self.is_over = true;
        }
        if self.is_half_closed() && now >= self.moved + self.half_close_timeout() {
            let seconds = self.half_close_timeout().as_secs_f64();
            self.abort(now, format!("half-closed, and nothing moved for {seconds} s"));
        }
    }

    /// A question, or whatever the state has to say.
    fn ask(&mut self, now: Duration) {
        self.ask_due = true;
        self.farewell_due |= self.state != State::Open;
        self.patience.ask(now);
    }

    fn half_close_timeout(&self) -> Duration {
        if self.has_reader { self.limits.half_close_timeout } else { self.limits.max_outage }
    }

    fn is_half_closed(&self) -> bool {
        self.state == State::Open && (self.sender.is_finishing() || self.receiver.is_ended())
    }

    /// What every frame says; the other end counts as told.
    fn header(&mut self) -> Header {
        self.ack_by = None;
        self.answer_due = false;
        Header { seq: self.sender.seq(), ..self.receiver.tell() }
    }

    fn message(&self, header: &Header, payload: &[u8], wants_reply: bool) -> Transmit {
        Transmit { message: self.codec.encode(header, payload), wants_reply }
    }

    /// Lets the other end know, now or soon.
    fn tell(&mut self, now: Duration) {
        if self.receiver.is_worth_telling() {
            self.answer_due = true;
        } else if self.receiver.has_untold() {
            self.ack_by.get_or_insert(now + ACK_DELAY);
        } else {
            // A duplicate: what the other end was told did not arrive.
            self.answer_due = true;
        }
    }

    /// Without a reader, an end of file is all that may still come.
    fn discard(&mut self, now: Duration) {
        if self.has_reader || self.state != State::Open {
            return;
        }
        if self.receiver.has_next() {
            self.abort(now, "closed, with data unread");
        } else {
            self.take_end(now);
        }
    }

    fn complete(&mut self, now: Duration) {
        if self.state == State::Open && self.sender.is_delivered() && self.receiver.is_ended() {
            self.state = State::Complete;
            self.farewell_due = true;
            self.patience.wait(now);
        }
    }

    fn fail(&mut self, now: Duration, failure: Failure) {
        self.state = State::Aborted(failure);
        self.farewell_due = true;
        self.sender.clear();
        self.receiver.clear();
        self.patience.wait(now);
    }
}
