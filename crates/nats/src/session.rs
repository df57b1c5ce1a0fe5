//! One end of a reliable session, as a pure state machine. Its inputs are messages, bytes and times; its outputs are
//! messages, bytes and deadlines. See `docs/nats-protocol.md`.
//!
//! - `frame`: the messages. `send`, `receive`: the two directions. `window`: credit, with the `round` trips and the
//!   `path` that determine it.
//! - `input`: handling of messages. `transmit`: messages to send. `time`: deadlines, with the timer in `liveness`.
//!   `limit`: maximum size of messages.
//!
//! Times are durations since any fixed moment.

pub(crate) mod frame;
mod input;
mod limit;
mod liveness;
mod path;
mod receive;
mod round;
mod send;
#[cfg(test)]
mod tests;
mod time;
mod transmit;
mod window;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::frame::Codec;
use self::limit::MessageLimit;
pub(crate) use self::liveness::Limits;
use self::liveness::LivenessTimer;
use self::receive::Receiver;
pub(crate) use self::send::End;
use self::send::Sender;
use crate::budget::{OUT_OF_MEMORY, Share};
use crate::handshake::Encoding;

pub(crate) use self::frame::FrameError;
pub(crate) use self::path::{PathState, Probe};
pub(crate) use self::window::Window;

/// Maximum size of a message with a frame. Two of them fit into one read of async-nats (65,535 bytes). With longer
/// ones, every second message would be read in two parts and copied.
const MAX_MESSAGE: usize = (32 << 10) - 512;
const ACK_DELAY: Duration = Duration::from_millis(40);
/// Time after which an end without undelivered data stops waiting for a peer without a subscription.
const NO_RESPONDERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit for the first frame of a client, which it sends when it has received its reply.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for a message that shows that a doubtful subscription exists. Peers answer the first frame immediately.
const DOUBT_TIMEOUT: Duration = Duration::from_secs(3);

/// Reasons of an abort when the connection of this end was reset, or closed with unread data. All other reasons are
/// failures.
pub(crate) const WAS_RESET: &str = "the connection on the other side was reset";
pub(crate) const CLOSED_UNREAD: &str = "closed, with data unread";

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The client's end, with the credit that the server's reply granted.
    Client { credit: u64 },
    /// The server's end, which receives its credit with the first frame.
    Server,
}

/// A message to publish to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transmit {
    pub(crate) message: Bytes,
    pub(crate) to: Destination,
    /// True if the message has this end's subject as its reply subject, so that NATS reports a missing subscriber.
    pub(crate) wants_reply: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    Peer,
    Pacing,
}

/// Reason why a session was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) is_remote: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Both directions are delivered. The session stays until the peer has been notified.
    Complete,
    Aborted(Failure),
}

/// A reason to abort that is not confirmed yet.
#[derive(Debug)]
struct Doubt {
    /// Time of the abort.
    at: Duration,
    reason: String,
    /// True if the doubt is about the peer. A report of no responders then confirms it.
    is_about_peer: bool,
}

#[derive(Debug)]
pub(crate) struct Session {
    limits: Limits,
    codec: Codec,
    sender: Sender,
    receiver: Receiver,
    liveness: LivenessTimer,
    limit: MessageLimit,
    /// Payload of the frame that is being sent again in parts, with its sequence number.
    cut: Option<(u64, Bytes)>,
    state: State,
    is_up: bool,
    /// This end has sent its final message and does not need any more messages.
    is_over: bool,
    peer_done: bool,
    has_reader: bool,
    /// Frames to send in addition to payloads.
    answer_due: bool,
    gap_due: bool,
    /// The NATS connection of this end is back. A frame must request everything that was in flight.
    resume_due: bool,
    probe_due: bool,
    final_frame_due: bool,
    ack_by: Option<Duration>,
    /// Deadline for the client's first frame. `None` once it has arrived, or if NATS was away in the meantime.
    first_frame_by: Option<Duration>,
    /// True if a message has arrived since this end's connection was made, which shows that the subscription exists.
    is_subscribed: bool,
    /// Reason and time of an abort, which is canceled if a message of the peer arrives.
    doubt: Option<Box<Doubt>>,
    /// Time when a byte was last sent or received.
    last_progress: Duration,
    /// Time when the message was sent that the peer answers first. `None` once it has answered.
    opened: Option<Duration>,
}

impl Session {
    /// Creates an end. The client's end sends the first frame.
    pub(crate) fn new(
        id: &str,
        encoding: Encoding,
        role: Role,
        limits: Limits,
        window: Window,
        now: Duration,
    ) -> Self {
        let credit = match role {
            Role::Client { credit } => credit,
            Role::Server => 0,
        };
        let mut session = Self {
            limits,
            codec: Codec { encoding, id: id.into() },
            sender: Sender::new(credit, Share::new(Arc::clone(&window.budget))),
            limit: MessageLimit::new(MAX_MESSAGE, Arc::clone(&window.path), now),
            receiver: Receiver::new(window),
            liveness: LivenessTimer::new(now),
            cut: None,
            state: State::Open,
            is_up: true,
            is_over: false,
            peer_done: false,
            has_reader: true,
            answer_due: false,
            gap_due: false,
            resume_due: false,
            probe_due: false,
            final_frame_due: false,
            ack_by: None,
            first_frame_by: None,
            is_subscribed: false,
            doubt: None,
            last_progress: now,
            opened: None,
        };
        if let Role::Client { .. } = role {
            session.probe(now);
            session.on_opening(now);
        }
        session
    }

    /// Records that the client is about to receive its reply. If NATS then reports no responders, the client has closed
    /// its connection.
    pub(crate) fn expect_first_frame(&mut self, now: Duration) {
        self.first_frame_by = Some(now + FIRST_FRAME_TIMEOUT);
    }

    /// Limits messages to the size in bytes that the peer's NATS server accepts.
    pub(crate) fn limit_messages(&mut self, max_message: usize) {
        self.limit.lower(max_message);
    }

    /// Returns the maximum number of bytes that [`Self::write`] accepts now. Messages have at most `max_message` bytes.
    pub(crate) fn room(&self, max_message: usize) -> usize {
        if !self.is_up || self.state != State::Open {
            return 0;
        }
        let longest = self.limit.max_new_message(self.sender.arrived).min(max_message);
        let longest = self.codec.payload_within(longest);
        let room = self.sender.send_capacity().min(window::part(self.sender.window()).max(1));
        usize::try_from(room).unwrap_or(longest).min(longest)
    }

    /// Writes `bytes`, which must not be more than [`room`](Self::room), and returns the message to publish.
    pub(crate) fn write(&mut self, now: Duration, bytes: &[u8]) -> Bytes {
        let header = self.header(now);
        let message = self.codec.encode(&header, bytes);
        self.limit.on_new_message(self.sender.next, bytes.len(), message.len());
        self.sender.push_unacked(now, bytes.len(), message.clone());
        self.last_progress = now;
        self.liveness.on_sent(now, self.sender.next);
        message
    }

    /// Records that the next message is the one that the peer answers first.
    pub(crate) fn on_opening(&mut self, now: Duration) {
        self.opened = Some(now);
    }

    /// Returns the credit of the peer. Before anything was received, it is the first credit.
    pub(crate) fn granted(&self) -> u64 {
        self.receiver.advertised.limit
    }

    /// Ends this direction: nothing more will be written.
    pub(crate) fn finish(&mut self, now: Duration) {
        if !self.sender.is_finishing() {
            self.sender.finish();
            self.last_progress = now;
        }
    }

    /// Returns true if everything written was delivered, including the end.
    pub(crate) fn is_delivered(&self) -> bool {
        self.sender.is_delivered()
    }

    /// Returns the next bytes of the peer, also after a failure. The caller must report each of them with
    /// [`Self::consumed`].
    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        self.receiver.next()
    }

    /// Returns true if there is something to read: bytes, the end of file or a failure.
    pub(crate) fn is_readable(&self) -> bool {
        self.receiver.has_next()
            || self.receiver.is_at_end()
            || self.receiver.is_ended()
            || (self.failure().is_some() && !self.awaits_bytes())
    }

    /// Returns true if the peer has reset the session, and bytes that it sent before are still on their way.
    pub(crate) fn awaits_bytes(&self) -> bool {
        self.receiver.is_missing() && !self.is_over
    }

    /// Records that this many bytes were delivered.
    pub(crate) fn consumed(&mut self, now: Duration, bytes: usize) {
        self.receiver.consumed(now, bytes);
        self.last_progress = now;
        if self.state == State::Open {
            self.send_header(now);
        }
    }

    /// Returns true at the peer's end of file, once everything before it was delivered. The end then counts as
    /// delivered.
    pub(crate) fn take_end(&mut self, now: Duration) -> bool {
        if self.receiver.is_at_end() {
            self.receiver.take_end();
            self.last_progress = now;
            self.answer_due = true;
            self.complete(now);
        }
        self.receiver.is_ended()
    }

    /// Aborts and discards undelivered data. The peer is notified of the reason.
    pub(crate) fn abort(&mut self, now: Duration, reason: impl Into<String>) {
        if self.state == State::Open {
            self.fail(now, Failure { reason: reason.into(), is_remote: false });
        }
    }

    /// Aborts after everything written was delivered. The peer is notified of the reason.
    pub(crate) fn reset(&mut self, now: Duration, reason: impl Into<String>) {
        if self.state == State::Open {
            self.leave(now, Failure { reason: reason.into(), is_remote: false });
        }
    }

    /// Aborts because NATS refuses messages that are long enough for a payload. Discards the data that an earlier reset
    /// still has to deliver.
    pub(crate) fn abort_undelivered(&mut self, now: Duration, reason: &str) {
        self.abort(now, reason);
        if self.failure().is_some() && self.sender.has_unacked() {
            self.discard_unacked();
            self.final_frame_due = true;
        }
    }

    /// The application dropped the stream. Data already written is still delivered, unless the session was aborted.
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

    /// Returns true if this end does not need the session any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Sends a frame with the state of this end to the peer, now or soon.
    fn send_header(&mut self, now: Duration) {
        if self.receiver.should_ack_now(now) {
            self.answer_due = true;
        } else if self.receiver.has_unacked() {
            self.ack_by.get_or_insert(now + ACK_DELAY);
        } else {
            // A duplicate shows that the last acknowledgment did not arrive.
            self.answer_due = true;
        }
    }

    /// Without a reader, only an end of file may still arrive. Anything else resets the session.
    fn discard(&mut self, now: Duration) {
        if self.has_reader || self.state == State::Complete {
            return;
        }
        if self.state == State::Open && !self.receiver.has_next() {
            self.take_end(now);
            return;
        }
        self.reset(now, CLOSED_UNREAD);
        self.receiver.clear();
        self.final_frame_due = true;
    }

    fn complete(&mut self, now: Duration) {
        if self.state == State::Open && self.sender.is_delivered() && self.receiver.is_ended() {
            self.state = State::Complete;
            self.final_frame_due = true;
            self.liveness.arm(now);
        }
    }

    fn fail(&mut self, now: Duration, failure: Failure) {
        self.discard_unacked();
        self.leave(now, failure);
    }

    fn discard_unacked(&mut self) {
        self.sender.clear();
        self.cut = None;
        self.limit.end_trial();
    }

    fn run_out_of_memory(&mut self, now: Duration) {
        self.fail(now, Failure { reason: OUT_OF_MEMORY.to_owned(), is_remote: false });
        self.receiver.clear();
    }

    fn leave(&mut self, now: Duration, failure: Failure) {
        self.state = State::Aborted(failure);
        self.final_frame_due = true;
        self.last_progress = now;
        self.liveness.arm(now);
    }

    /// Returns true if an abort still has bytes to deliver or to receive.
    fn is_unfinished(&self) -> bool {
        self.sender.has_unacked() || self.receiver.is_missing()
    }
}
