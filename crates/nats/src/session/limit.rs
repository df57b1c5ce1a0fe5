//! How long the messages of a session may be on their way to the other end.

use std::sync::Arc;
use std::time::Duration;

use super::path::PathState;
use crate::link::MIN_MESSAGE;

/// After a loss. Nearly every NATS server takes this much, and in binary it costs little throughput.
const SAFE_MESSAGE: usize = 4032;
/// The same frame lost so often makes messages shorter still.
const MAX_LOSSES: u32 = 3;
/// The session ends if the same frame is lost for this time although messages cannot be shorter. Reordered messages look like losses for a moment.
const LOSS_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct MessageLimit {
    max_message: usize,
    path: Arc<PathState>,
    lost: Lost,
    /// Everything below had been sent when this end last asked its silent peer.
    asked_after: u64,
}

/// Losses in a row of the same number.
#[derive(Debug, Default)]
struct Lost {
    number: u64,
    /// Since messages became shorter.
    times: u32,
    /// When the first of them was noticed with messages as short as they can be.
    since: Option<Duration>,
}

impl MessageLimit {
    pub(super) fn new(max_message: usize, path: Arc<PathState>, now: Duration) -> Self {
        path.on_session(now);
        Self { max_message, path, lost: Lost::default(), asked_after: 0 }
    }

    /// Returns the size of the longest message, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message.min(self.path.max_message())
    }

    /// Returns the size of the longest message that may be sent for the first time, in bytes. A peer that had to be asked may be silent
    /// because a server on the way takes less. Until it has received everything that was sent before the question, messages are
    /// short, so that none ends the link of that server again.
    pub(super) fn max_new_message(&self, arrived: u64) -> usize {
        let max_message = self.max_message();
        if arrived < self.asked_after { max_message.min(SAFE_MESSAGE) } else { max_message }
    }

    /// Records that this end asks its peer, after everything below `next` was sent.
    pub(super) fn on_question(&mut self, next: u64) {
        self.asked_after = next;
    }

    /// Lowers the limit to `max_message`, but not below [`MIN_MESSAGE`].
    pub(super) fn lower(&mut self, max_message: usize) {
        self.max_message = self.max_message.min(max_message.max(MIN_MESSAGE));
    }

    /// Records that a message of this length was lost, and not by this end's own connection. `number` is its first byte. A server on
    /// the way that takes less than the servers of both ends drops the message with its link to the next server, and notifies neither
    /// end.
    ///
    /// Returns true if even the shortest messages are lost.
    pub(super) fn on_loss(&mut self, now: Duration, number: u64, length: usize) -> bool {
        // A longer one was sent in pieces.
        if length.min(self.max_message()) > SAFE_MESSAGE {
            self.shorten(now, SAFE_MESSAGE);
            self.lost = Lost { number, ..Lost::default() };
            return false;
        }
        if self.lost.number != number {
            self.lost = Lost { number, ..Lost::default() };
        }
        self.lost.times += 1;
        if self.max_message() <= MIN_MESSAGE {
            let since = *self.lost.since.get_or_insert(now);
            return self.lost.times > MAX_LOSSES && now >= since + LOSS_TIMEOUT;
        }
        if self.lost.times >= MAX_LOSSES {
            self.shorten(now, self.max_message() / 2);
            self.lost.times = 0;
        }
        false
    }

    fn shorten(&mut self, now: Duration, max_message: usize) {
        self.lower(max_message);
        self.path.shorten(now, self.max_message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10_000);

    fn new() -> MessageLimit {
        MessageLimit::new(32_000, PathState::new(Arc::default()), NOW)
    }

    #[test]
    fn one_loss_of_a_long_message_is_enough() {
        let mut limit = new();
        limit.on_loss(NOW, 0, 20_000);
        assert_eq!(limit.max_message(), SAFE_MESSAGE);
    }

    #[test]
    fn a_loss_shortens_the_messages_of_all_sessions_on_the_path_for_an_hour() {
        let path = PathState::new(Arc::default());
        let session = |now| MessageLimit::new(32_000, Arc::clone(&path), now);
        let (mut one, other) = (session(NOW), session(NOW));
        one.on_loss(NOW, 0, 20_000);
        let after = |seconds| session(NOW + Duration::from_secs(seconds)).max_message();
        assert_eq!((other.max_message(), after(3600)), (SAFE_MESSAGE, SAFE_MESSAGE));
        assert_eq!((after(3601), one.max_message()), (32_000, SAFE_MESSAGE));
    }

    #[test]
    fn messages_are_short_while_the_peer_may_miss_one() {
        let mut limit = new();
        assert_eq!(limit.max_new_message(0), 32_000);
        limit.on_question(50_000);
        assert_eq!(limit.max_new_message(49_999), SAFE_MESSAGE);
        assert_eq!(limit.max_new_message(50_000), 32_000);
        limit.lower(1000);
        assert_eq!(limit.max_new_message(0), 1000);
    }

    #[test]
    fn short_messages_get_shorter_only_when_the_same_is_lost_again_and_again() {
        let mut limit = new();
        for number in 0..100 {
            assert!(!limit.on_loss(NOW, number, 4000));
        }
        assert_eq!(limit.max_message(), 32_000);
        while limit.max_message() > MIN_MESSAGE {
            assert!(!limit.on_loss(NOW, 100, 4000));
        }
        assert!((0..100).all(|_| !limit.on_loss(NOW, 100, 384)), "only after some time");
        assert!(limit.on_loss(NOW + LOSS_TIMEOUT, 100, 384));
        assert!(!limit.on_loss(NOW + 2 * LOSS_TIMEOUT, 101, 384), "another frame");
    }

    #[test]
    fn a_long_message_that_is_lost_again_in_pieces_makes_them_shorter() {
        let mut limit = new();
        for _ in 0..4 {
            limit.on_loss(NOW, 0, 20_000);
        }
        assert_eq!(limit.max_message(), SAFE_MESSAGE / 2);
    }

    #[test]
    fn a_peer_cannot_make_messages_too_short_for_a_payload() {
        let mut limit = new();
        limit.lower(0);
        assert_eq!(limit.max_message(), MIN_MESSAGE);
        limit.lower(1000);
        assert_eq!(limit.max_message(), MIN_MESSAGE);
    }
}
