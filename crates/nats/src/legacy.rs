//! One end of a session with a peer that only supports the plain protocol, as a pure state machine. See the section
//! "The plain session" of `docs/nats-protocol.md`.
//!
//! Times are durations since any fixed moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::budget::{MemoryBudget, OUT_OF_MEMORY, Share, entry_size};
use crate::message::{self, MessageError};
use crate::session::{Destination, End, Transmit};

/// Maximum length of data. Peers truncate longer data.
const MAX_DATA: usize = 32 << 10;
const MIN_PROBE_INTERVAL: Duration = Duration::from_millis(1);
const MAX_PROBE_INTERVAL: Duration = Duration::from_millis(16);
/// Time after which an answer of NATS is considered lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
const MARKER_INTERVAL: u64 = 256 << 10;
/// Maximum number of bytes that the NATS server may not have processed yet.
const MAX_IN_FLIGHT: u64 = 1 << 20;
/// Time to receive data after this side has closed. The protocol does not have an end of data in that case.
const FIN_WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// State of the peer's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// The peer must be probed at this time.
    Unknown {
        probe_at: Duration,
    },
    /// The probe was sent, and a marker follows. `is_absent` is true if NATS reported that the peer does not subscribe.
    Probed {
        is_absent: bool,
    },
    /// The marker was sent at this time.
    Marked {
        at: Duration,
        is_absent: bool,
    },
    Listens,
}

#[derive(Debug)]
pub(crate) struct LegacySession {
    id: Box<str>,
    opened: Duration,
    idle_timeout: Duration,
    /// When a byte was last sent or received, and when one was last received.
    last_progress: Duration,
    last_received: Duration,
    peer: Peer,
    probe_interval: Duration,
    sent: u64,
    /// Number of bytes that the NATS server has processed.
    taken: u64,
    /// Number of bytes sent before each marker in flight, and when the marker was sent.
    markers: VecDeque<(u64, Duration)>,
    marker_due: bool,
    queue: VecDeque<Bytes>,
    held: usize,
    share: Share,
    has_ended: bool,
    end_was_taken: bool,
    close: End,
    has_reader: bool,
    failure: Option<String>,
}

impl LegacySession {
    pub(crate) fn new(id: &str, now: Duration, idle_timeout: Duration, budget: Arc<MemoryBudget>) -> Self {
        Self {
            id: id.into(),
            opened: now,
            idle_timeout,
            last_progress: now,
            last_received: now,
            peer: Peer::Unknown { probe_at: now },
            probe_interval: MIN_PROBE_INTERVAL,
            sent: 0,
            taken: 0,
            markers: VecDeque::new(),
            marker_due: false,
            queue: VecDeque::new(),
            held: 0,
            share: Share::new(budget),
            has_ended: false,
            end_was_taken: false,
            close: End::Open,
            has_reader: true,
            failure: None,
        }
    }

    pub(crate) fn room(&self, max_message: usize) -> usize {
        if self.peer != Peer::Listens || self.close != End::Open || self.failure.is_some() {
            return 0;
        }
        let longest = MAX_DATA.min(message::data_within(&self.id, max_message));
        let pace = MAX_IN_FLIGHT.saturating_sub(self.sent - self.taken);
        usize::try_from(pace).unwrap_or(longest).min(longest)
    }

    pub(crate) fn write(&mut self, now: Duration, bytes: &[u8]) -> Bytes {
        let before = self.sent / MARKER_INTERVAL;
        self.sent += bytes.len() as u64;
        self.marker_due |= self.sent / MARKER_INTERVAL > before;
        self.last_progress = now;
        message::encode(&self.id, bytes, &[])
    }

    pub(crate) fn finish(&mut self, now: Duration) {
        if self.close == End::Open {
            self.close = End::Wanted;
            (self.last_progress, self.last_received) = (now, now);
        }
    }

    /// Returns true once the close was sent. The protocol does not acknowledge data.
    pub(crate) fn is_delivered(&self) -> bool {
        self.close == End::Sent && self.failure.is_none()
    }

    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        self.queue.pop_front()
    }

    pub(crate) fn is_readable(&self) -> bool {
        !self.queue.is_empty() || self.has_ended || self.failure.is_some()
    }

    pub(crate) fn consumed(&mut self, now: Duration, bytes: usize) {
        // Nothing is held any more if the session was closed in the meantime.
        self.held = self.held.saturating_sub(bytes);
        self.charge();
        self.share.on_progress(now);
        self.last_progress = now;
    }

    pub(crate) fn take_end(&mut self, now: Duration) -> bool {
        if self.has_ended && self.queue.is_empty() && !self.end_was_taken {
            self.end_was_taken = true;
            self.last_progress = now;
        }
        self.end_was_taken
    }

    pub(crate) fn abort(&mut self, _now: Duration, reason: &str) {
        if self.failure.is_none() && !self.is_over() {
            self.failure = Some(reason.to_owned());
            if self.close == End::Open {
                self.close = End::Wanted;
            }
        }
    }

    pub(crate) fn give_up(&mut self, now: Duration, reason: &str) {
        self.abort(now, reason);
        self.close = End::Sent;
    }

    /// Aborts if the peer is not known to listen: a report that it does not listen may not arrive.
    pub(crate) fn doubt(&mut self, now: Duration, reason: &str) {
        if self.peer != Peer::Listens {
            self.abort(now, reason);
        }
    }

    pub(crate) fn close(&mut self, now: Duration) {
        self.finish(now);
        self.has_reader = false;
        self.drop_received();
    }

    fn drop_received(&mut self) {
        (self.queue, self.held) = (VecDeque::new(), 0);
        self.charge();
    }

    fn charge(&mut self) {
        self.share.set(self.held + self.queue.len() * entry_size(0));
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn is_over(&self) -> bool {
        let needs_no_more = self.end_was_taken || !self.has_reader || self.failure.is_some();
        self.close == End::Sent && needs_no_more
    }

    pub(crate) fn receive(&mut self, now: Duration, payload: &[u8]) -> Result<(), MessageError> {
        let message = message::decode(payload)?;
        if message.id != *self.id {
            return Err(MessageError::Foreign);
        }
        (self.last_progress, self.last_received) = (now, now);
        let is_close = message.is_close();
        let data = message.data;
        if !data.is_empty() && self.has_reader && !self.has_ended && self.failure.is_none() {
            let is_fair = self.share.is_fair(self.share.held() + entry_size(data.len()));
            if self.held == 0 {
                self.share.on_progress(now);
            }
            self.held += data.len();
            self.queue.push_back(data);
            if !is_fair {
                // The plain protocol cannot slow down the peer.
                self.abort(now, OUT_OF_MEMORY);
                self.drop_received();
            }
            self.charge();
        }
        self.has_ended |= is_close;
        Ok(())
    }

    /// Handles the report that the peer does not subscribe to the probe.
    pub(crate) fn no_responders(&mut self, _now: Duration) {
        if let Peer::Probed { is_absent } | Peer::Marked { is_absent, .. } = &mut self.peer {
            *is_absent = true;
        }
    }

    /// Handles a marker that is back: the NATS server has processed everything published before it.
    pub(crate) fn marker(&mut self, now: Duration) {
        match self.peer {
            Peer::Marked { is_absent: true, .. } => {
                self.peer = Peer::Unknown { probe_at: now + self.probe_interval };
                self.probe_interval = (self.probe_interval * 2).min(MAX_PROBE_INTERVAL);
            }
            Peer::Marked { is_absent: false, .. } => self.peer = Peer::Listens,
            Peer::Unknown { .. } | Peer::Probed { .. } => {}
            Peer::Listens => {
                if let Some((sent, _)) = self.markers.pop_front() {
                    self.taken = self.taken.max(sent);
                }
            }
        }
    }

    /// Handles a change of the NATS connection. Messages in flight may be lost with it, and the protocol cannot repair
    /// that.
    pub(crate) fn link(&mut self, now: Duration, is_up: bool) {
        if !is_up {
            self.abort(
                now,
                "the connection to NATS was lost, and the other end's protocol cannot repair that",
            );
        }
    }

    fn is_probed(&self) -> bool {
        matches!(self.peer, Peer::Probed { .. })
    }

    pub(crate) fn has_transmit(&self) -> bool {
        match self.close {
            End::Sent => false,
            // Not before the peer has subscribed, unless the close is no longer relevant.
            End::Wanted => self.failure.is_some() || self.is_probed() || self.peer == Peer::Listens,
            End::Open => self.marker_due || self.is_probed(),
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        if self.close == End::Sent {
            return None;
        }
        if self.close == End::Wanted && (self.failure.is_some() || self.peer == Peer::Listens) {
            self.close = End::Sent;
            let message = message::close(&self.id);
            return Some(Transmit { message, to: Destination::Peer, wants_reply: false });
        }
        match self.peer {
            Peer::Unknown { probe_at } if probe_at <= now => {
                self.peer = Peer::Probed { is_absent: false };
                return Some(self.probe(Destination::Peer));
            }
            Peer::Probed { is_absent } => {
                self.peer = Peer::Marked { at: now, is_absent };
                return Some(self.probe(Destination::Pacing));
            }
            Peer::Unknown { .. } | Peer::Marked { .. } | Peer::Listens => {}
        }
        if std::mem::take(&mut self.marker_due) {
            self.markers.push_back((self.sent, now));
            return Some(self.probe(Destination::Pacing));
        }
        None
    }

    fn probe(&self, to: Destination) -> Transmit {
        Transmit { message: message::encode(&self.id, &[], &[]), to, wants_reply: true }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        let peer_deadline = match self.peer {
            Peer::Unknown { probe_at } => Some(probe_at.min(self.opened + LISTEN_TIMEOUT)),
            Peer::Marked { at, .. } => Some((at + ANSWER_TIMEOUT).min(self.opened + LISTEN_TIMEOUT)),
            Peer::Probed { .. } => None,
            Peer::Listens => self.markers.front().map(|(_, at)| *at + ANSWER_TIMEOUT),
        };
        let fin_wait =
            (self.close == End::Sent && !self.has_ended).then(|| self.last_received + FIN_WAIT_TIMEOUT);
        let idle = Some(self.last_progress.saturating_add(self.idle_timeout));
        [peer_deadline, fin_wait, idle, self.share.deadline()].into_iter().flatten().min()
    }

    pub(crate) fn on_deadline(&mut self, now: Duration) {
        match self.peer {
            Peer::Unknown { .. } | Peer::Marked { .. } if now >= self.opened + LISTEN_TIMEOUT => {
                self.abort(now, "the other end never listened");
                self.peer = Peer::Listens;
            }
            Peer::Marked { at, .. } if now >= at + ANSWER_TIMEOUT => {
                self.peer = Peer::Unknown { probe_at: now };
            }
            Peer::Listens if self.markers.front().is_some_and(|(_, at)| now >= *at + ANSWER_TIMEOUT) => {
                self.markers.clear();
                self.taken = self.sent;
            }
            Peer::Unknown { .. } | Peer::Probed { .. } | Peer::Marked { .. } | Peer::Listens => {}
        }
        if self.close == End::Sent && now >= self.last_received + FIN_WAIT_TIMEOUT {
            self.has_ended = true;
        }
        if self.share.must_end(now) {
            self.abort(now, OUT_OF_MEMORY);
            self.drop_received();
        }
        if now >= self.last_progress.saturating_add(self.idle_timeout) {
            let seconds = self.idle_timeout.as_secs_f64();
            self.abort(
                now,
                &format!("no data for {seconds} s, and the protocol of the other end has no keep-alive"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
