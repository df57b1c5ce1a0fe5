//! Maximum size of the messages of a session on the way to the peer.

use std::sync::Arc;
use std::time::Duration;

use super::path::PathState;
use crate::link::MIN_MESSAGE;

/// The session ends if the same sequence number is lost more often than this, over at least [`LOSS_TIMEOUT`].
const MAX_LOSSES: u32 = 3;
/// Reordered messages may look like losses for a short time.
const LOSS_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct MessageLimit {
    max_message: usize,
    path: Arc<PathState>,
    lost: Lost,
    /// Everything below this number had been sent when this end last probed its silent peer.
    probed_after: u64,
    trial: Option<Trial>,
}

/// A message that is longer than those known to arrive. A server on the way that only accepts shorter messages drops it
/// together with its link to the next server, and does not notify either end. With one trial at a time, the link is
/// lost once.
#[derive(Debug)]
struct Trial {
    first: u64,
    /// Sequence number after the last one of the message.
    end: u64,
    length: usize,
}

/// Losses in a row of the same sequence number.
#[derive(Debug, Default)]
struct Lost {
    number: u64,
    times: u32,
    since: Duration,
}

impl MessageLimit {
    pub(super) fn new(max_message: usize, path: Arc<PathState>, now: Duration) -> Self {
        path.on_session(now);
        Self { max_message, path, lost: Lost::default(), probed_after: 0, trial: None }
    }

    /// Returns the maximum size of a message, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message.min(self.path.max_message())
    }

    /// Returns the maximum size of a message that is sent for the first time, in bytes. A peer that had to be probed
    /// may be silent because a server on the way has ended its link. Until the peer has received everything that was
    /// sent before the probe, messages are short, so that none of them ends the link again.
    pub(super) fn max_new_message(&self, arrived: u64) -> usize {
        let is_silent = arrived < self.probed_after;
        self.max_message.min(if is_silent { MIN_MESSAGE } else { self.path.max_new_message() })
    }

    /// Records that this end probes its peer, after everything below `next` was sent.
    pub(super) fn on_probe(&mut self, next: u64) {
        self.probed_after = next;
    }

    /// Lowers the limit to `max_message`, but not below [`MIN_MESSAGE`].
    pub(super) fn lower(&mut self, max_message: usize) {
        self.max_message = self.max_message.min(max_message.max(MIN_MESSAGE));
    }

    /// Records that a message of `length` bytes is sent for the first time, with `numbers` from `first` on.
    pub(super) fn on_new_message(&mut self, first: u64, numbers: usize, length: usize) {
        if length > self.path.max_message() && self.path.begin_trial() {
            self.trial = Some(Trial { first, end: first + numbers as u64, length });
        }
    }

    /// Records that the peer has received everything below `arrived`.
    pub(super) fn on_arrival(&mut self, arrived: u64) {
        if let Some(trial) = self.trial.take_if(|trial| trial.end <= arrived) {
            self.path.on_trial_arrived(trial.length);
        }
    }

    /// Records that the NATS connection of an end was lost, with messages of any size.
    pub(super) fn on_outage(&mut self, now: Duration) {
        self.end_trial();
        self.path.on_outage(now);
    }

    /// Ends the trial without a result.
    pub(super) fn end_trial(&mut self) {
        if self.trial.take().is_some() {
            self.path.end_trial();
        }
    }

    /// Records that the message with this sequence number was lost, and not by the connection of either end. The peer
    /// drops all messages after it.
    ///
    /// Returns true if even the shortest messages are lost.
    pub(super) fn on_loss(&mut self, now: Duration, number: u64) -> bool {
        if self.trial.take_if(|trial| trial.first == number).is_some() {
            self.path.on_trial_lost(now);
        } else {
            self.end_trial();
            self.path.on_loss();
        }
        if self.lost.times == 0 || self.lost.number != number {
            self.lost = Lost { number, times: 0, since: now };
        }
        self.lost.times += 1;
        self.lost.times > MAX_LOSSES && now >= self.lost.since + LOSS_TIMEOUT
    }
}

impl Drop for MessageLimit {
    fn drop(&mut self) {
        self.end_trial();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10_000);

    fn path() -> Arc<PathState> {
        PathState::new(Arc::default())
    }

    fn on(path: &Arc<PathState>) -> MessageLimit {
        MessageLimit::new(32_000, Arc::clone(path), NOW)
    }

    /// Sends the longest message that may be sent, and returns its length.
    fn send(limit: &mut MessageLimit, number: u64) -> usize {
        let length = limit.max_new_message(number);
        limit.on_new_message(number, 1, length);
        length
    }

    #[test]
    fn each_message_that_arrives_doubles_the_length() {
        let (path, mut lengths) = (path(), Vec::new());
        let mut limit = on(&path);
        for number in 0..8 {
            lengths.push(send(&mut limit, number));
            assert_eq!(limit.max_new_message(number), limit.max_message(), "one trial at a time");
            limit.on_arrival(number + 1);
        }
        assert_eq!(lengths, [768, 1536, 3072, 6144, 12_288, 24_576, 32_000, 32_000]);
        assert_eq!(on(&path).max_message(), 32_000, "another session on the path");
    }

    #[test]
    fn a_lost_trial_is_not_repeated_for_an_hour() {
        let path = path();
        let mut limit = on(&path);
        send(&mut limit, 0);
        limit.on_arrival(1);
        send(&mut limit, 1);
        assert!(!limit.on_loss(NOW, 1));
        assert_eq!((limit.max_message(), limit.max_new_message(1)), (768, 768));
        let later =
            |seconds| MessageLimit::new(32_000, Arc::clone(&path), NOW + Duration::from_secs(seconds));
        assert_eq!([3600, 3601].map(|seconds| later(seconds).max_new_message(0)), [768, 1536]);
    }

    #[test]
    fn another_loss_makes_all_messages_of_the_path_short_until_longer_ones_arrive() {
        let path = path();
        let (mut limit, other) = (on(&path), on(&path));
        send(&mut limit, 0);
        limit.on_arrival(1);
        // A trial behind the lost message has no result.
        send(&mut limit, 2);
        assert!(!limit.on_loss(NOW, 1));
        assert_eq!((limit.max_message(), other.max_message()), (MIN_MESSAGE, MIN_MESSAGE));
        assert_eq!((limit.max_new_message(1), other.max_new_message(1)), (768, 768));
    }

    #[test]
    fn a_trial_that_was_lost_with_the_connection_of_an_end_is_repeated() {
        let mut limit = on(&path());
        send(&mut limit, 0);
        limit.on_loss(NOW, 0);
        limit.on_outage(NOW + Duration::from_secs(5));
        assert_eq!(limit.max_new_message(0), MIN_MESSAGE, "much later");
        limit.on_outage(NOW + Duration::from_secs(4));
        assert_eq!(limit.max_new_message(0), 768);
    }

    #[test]
    fn a_trial_without_a_result_lets_others_try() {
        let path = path();
        let (mut limit, other) = (on(&path), on(&path));
        send(&mut limit, 0);
        assert_eq!(other.max_new_message(0), MIN_MESSAGE);
        limit.end_trial();
        assert_eq!(other.max_new_message(0), 768);
        send(&mut limit, 1);
        drop(limit);
        assert_eq!(other.max_new_message(0), 768);
    }

    #[test]
    fn messages_are_short_while_the_peer_may_miss_one() {
        let mut limit = on(&path());
        assert_eq!(limit.max_new_message(0), 768);
        limit.on_probe(50_000);
        assert_eq!(limit.max_new_message(49_999), MIN_MESSAGE);
        assert_eq!(limit.max_new_message(50_000), 768);
    }

    #[test]
    fn a_session_ends_only_when_the_same_is_lost_again_and_again_for_some_time() {
        let mut limit = on(&path());
        for number in 0..100 {
            assert!(!limit.on_loss(NOW + 2 * LOSS_TIMEOUT, number));
        }
        assert!((0..100).all(|_| !limit.on_loss(NOW, 100)), "only after some time");
        assert!(limit.on_loss(NOW + LOSS_TIMEOUT, 100));
        assert!(!limit.on_loss(NOW + 2 * LOSS_TIMEOUT, 101), "another message");
    }

    #[test]
    fn a_peer_cannot_make_messages_too_short_for_a_payload() {
        let mut limit = on(&path());
        limit.lower(0);
        assert_eq!(limit.max_message(), MIN_MESSAGE);
        limit.lower(1000);
        assert_eq!(limit.max_new_message(0), MIN_MESSAGE);
    }
}
