//! A session of either protocol, for code that only moves its messages.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;

use crate::legacy::LegacySession;
use crate::session::{self, Failure, FrameError, Session, Transmit};

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all sessions are of the larger kind")]
pub(crate) enum AnySession {
    Reliable(Session),
    Legacy(LegacySession),
}

macro_rules! either {
    ($core:expr, $session:ident => $call:expr) => {
        match $core {
            AnySession::Reliable($session) => $call,
            AnySession::Legacy($session) => $call,
        }
    };
}

impl AnySession {
    /// Returns how many bytes may be written now. Messages have at most `max_message` bytes.
    pub(crate) fn room(&self, max_message: usize) -> usize {
        either!(self, session => session.room(max_message))
    }

    /// Records that the reply to the client is sent now. Returns the credit that it grants.
    pub(crate) fn on_opening(&mut self, now: Duration) -> u64 {
        match self {
            Self::Reliable(session) => {
                session.on_opening(now);
                session.granted()
            }
            Self::Legacy(_) => 0,
        }
    }

    /// Writes `bytes`, which must not be more than [`room`](Self::room), and returns the message to publish.
    pub(crate) fn write(&mut self, now: Duration, bytes: &[u8]) -> Bytes {
        either!(self, session => session.write(now, bytes))
    }

    pub(crate) fn finish(&mut self, now: Duration) {
        either!(self, session => session.finish(now));
    }

    pub(crate) fn is_delivered(&self) -> bool {
        either!(self, session => session.is_delivered())
    }

    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        either!(self, session => session.next_chunk())
    }

    pub(crate) fn is_readable(&self) -> bool {
        either!(self, session => session.is_readable())
    }

    pub(crate) fn consumed(&mut self, now: Duration, bytes: usize) {
        either!(self, session => session.consumed(now, bytes));
    }

    /// Returns true if the peer has ended its direction and everything before the end was delivered.
    pub(crate) fn take_end(&mut self, now: Duration) -> bool {
        either!(self, session => session.take_end(now))
    }

    pub(crate) fn abort(&mut self, now: Duration, reason: &str) {
        either!(self, session => session.abort(now, reason));
    }

    /// Aborts after everything written was delivered, as far as the protocol can detect that.
    pub(crate) fn reset(&mut self, now: Duration, reason: &str) {
        match self {
            Self::Reliable(session) => session.reset(now, reason),
            Self::Legacy(session) => session.abort(now, reason),
        }
    }

    /// Aborts because NATS refuses all messages of this end except notices.
    pub(crate) fn cut_off(&mut self, now: Duration, reason: &str) {
        match self {
            Self::Reliable(session) => session.cut_off(now, reason),
            Self::Legacy(session) => session.give_up(now, reason),
        }
    }

    /// Aborts unless the peer answers. A report claims that the peer cannot publish.
    pub(crate) fn suspect(&mut self, now: Duration, reason: &str) {
        if let Self::Reliable(session) = self {
            session.suspect(now, reason);
        }
    }

    /// Aborts without notifying the peer, because NATS refuses all messages of this end.
    pub(crate) fn give_up(&mut self, now: Duration, reason: &str) {
        either!(self, session => session.give_up(now, reason));
    }

    /// Aborts because NATS refuses messages that are long enough for a payload.
    pub(crate) fn abort_undelivered(&mut self, now: Duration, reason: &str) {
        match self {
            Self::Reliable(session) => session.abort_undelivered(now, reason),
            Self::Legacy(session) => session.abort(now, reason),
        }
    }

    /// Records that NATS has refused a subscription, which may be that of this session.
    pub(crate) fn doubt(&mut self, now: Duration, reason: &str) {
        either!(self, session => session.doubt(now, reason));
    }

    pub(crate) fn close(&mut self, now: Duration) {
        either!(self, session => session.close(now));
    }

    /// Returns why the session was aborted: a reset of the peer's connection, or the reason why either end gave it up.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        let reason = match self {
            Self::Reliable(session) => {
                let Failure { reason, is_remote } = session.failure()?;
                if *is_remote && [session::WAS_RESET, session::CLOSED_UNREAD].contains(&reason.as_str()) {
                    return Some(io::Error::new(ErrorKind::ConnectionReset, reason.as_str()));
                }
                if *is_remote { format!("the other end gave up: {reason}") } else { reason.clone() }
            }
            Self::Legacy(session) => session.failure()?.to_owned(),
        };
        Some(io::Error::other(reason))
    }

    /// Returns why nothing more can be read. Data that arrived before the failure is read first.
    pub(crate) fn read_failure(&self) -> Option<io::Error> {
        match self {
            Self::Reliable(session) if session.awaits_bytes() => None,
            _ => self.failure(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        either!(self, session => session.is_over())
    }

    pub(crate) fn receive(&mut self, now: Duration, message: Bytes) -> Result<(), FrameError> {
        match self {
            Self::Reliable(session) => session.receive(now, message),
            Self::Legacy(session) => Ok(session.receive(now, &message)?),
        }
    }

    /// Records that the client is about to receive its reply. A client of the plain protocol does not send a frame
    /// before its first data.
    pub(crate) fn expect_first_frame(&mut self, now: Duration) {
        if let Self::Reliable(session) = self {
            session.expect_first_frame(now);
        }
    }

    pub(crate) fn no_responders(&mut self, now: Duration) {
        either!(self, session => session.no_responders(now));
    }

    /// Handles a marker that NATS has returned. Only sessions of the plain protocol send markers.
    pub(crate) fn marker(&mut self, now: Duration) {
        if let Self::Legacy(session) = self {
            session.marker(now);
        }
    }

    pub(crate) fn link(&mut self, now: Duration, is_up: bool) {
        either!(self, session => session.link(now, is_up));
    }

    pub(crate) fn has_transmit(&self) -> bool {
        either!(self, session => session.has_transmit())
    }

    /// Messages of a reliable session have at most `max_message` bytes. Those of a plain one do not contain data.
    pub(crate) fn poll_transmit(&mut self, now: Duration, max_message: usize) -> Option<Transmit> {
        match self {
            Self::Reliable(session) => session.poll_transmit(now, max_message),
            Self::Legacy(session) => session.poll_transmit(now),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        either!(self, session => session.deadline())
    }

    pub(crate) fn on_deadline(&mut self, now: Duration) {
        either!(self, session => session.on_deadline(now));
    }
}
