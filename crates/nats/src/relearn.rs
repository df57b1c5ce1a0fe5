//! Detection of a larger limit for the size of messages.

use std::convert::Infallible;
use std::time::Duration;

use tokio::select;
use tokio::time::{sleep, timeout};

use crate::any_session::AnySession;
use crate::link::{MIN_MESSAGE, NatsConnection};
use crate::tunnels::Tunnels;

/// Interval at which a limit that is too small for sessions is measured again, and the first delay for other limits.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum delay after which a limit that has become smaller is measured again. Each measurement costs a connection to
/// NATS.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(3600);
/// Time limit for NATS to connect, and to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl Tunnels {
    /// Measures the limit again and again while NATS accepts shorter messages than it did before, so that a change of
    /// its configuration takes effect without a restart. NATS does not announce such a change.
    ///
    /// # Cancel safety
    /// Can be called again.
    pub async fn watch_message_limit(&self) -> Infallible {
        let link = &self.inner.link;
        let mut status = link.status();
        let mut retry = Retry::new(link.max_message());
        let mut known = Connects::from_connection(link);
        loop {
            // By then, connections in a row that end soon are over, so that what they change is logged once.
            sleep(RETRY_INTERVAL).await;
            link.report_limit();
            let is_new = link.other_connects() > known.other;
            known = Connects::from_connection(link);
            let pause = retry.pause(link.max_message());
            if is_new && link.is_limit_learned() {
                self.settle_with_longer(ANSWER_TIMEOUT).await;
            } else {
                select! {
                    // Never an error, because the link has the sender.
                    _ = status.wait_for(|status| status.connects != known.all) => continue,
                    () = sleep(pause.map_or(Duration::MAX, |pause| pause - RETRY_INTERVAL)) => {}
                }
                self.probe_larger_limit().await;
            }
            known = Connects::from_connection(link);
            link.report_limit();
        }
    }

    async fn probe_larger_limit(&self) {
        let link = &self.inner.link;
        if !link.is_limit_learned() {
            // A session of the plain protocol would end with the connection.
            if link.max_message() >= MIN_MESSAGE && self.has_plain_sessions() {
                return;
            }
            let _ = timeout(ANSWER_TIMEOUT, link.reconnect()).await;
        }
        self.settle_with_longer(ANSWER_TIMEOUT).await;
    }

    fn has_plain_sessions(&self) -> bool {
        let sessions = self.inner.link.permissions().open_sessions();
        sessions.iter().any(|session| matches!(session.lock().core, AnySession::Legacy(_)))
    }
}

/// Numbers of connections to NATS so far.
struct Connects {
    /// Number of all of them.
    all: u64,
    /// Number of those that did not follow a refused message.
    other: u64,
}

impl Connects {
    fn from_connection(link: &NatsConnection) -> Self {
        Self { all: link.status().borrow().connects, other: link.other_connects() }
    }
}

/// Decides when to measure the limit again.
struct Retry {
    /// The largest limit so far.
    largest: usize,
    pause: Duration,
}

impl Retry {
    fn new(limit: usize) -> Self {
        Self { largest: limit, pause: RETRY_INTERVAL }
    }

    /// Returns the delay before the next measurement if `limit` is in force, or `None` if it has never been larger.
    fn pause(&mut self, limit: usize) -> Option<Duration> {
        if limit < MIN_MESSAGE {
            self.pause = RETRY_INTERVAL;
            return Some(RETRY_INTERVAL);
        }
        let is_small = limit < self.largest;
        self.largest = self.largest.max(limit);
        let next = if is_small { (self.pause * 2).min(MAX_RETRY_INTERVAL) } else { RETRY_INTERVAL };
        let pause = std::mem::replace(&mut self.pause, next);
        is_small.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_has_become_smaller_is_looked_at_less_and_less_often() {
        let mut retry = Retry::new(4096);
        assert_eq!([4096, 4096, 8192].map(|limit| retry.pause(limit)), [None; 3]);
        let seconds = |retry: &mut Retry| retry.pause(4096).map(|pause| pause.as_secs());
        for expected in [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600] {
            assert_eq!(seconds(&mut retry), Some(expected));
        }
        assert_eq!(retry.pause(8192), None);
        assert_eq!((seconds(&mut retry), seconds(&mut retry)), (Some(2), Some(4)));
    }

    #[test]
    fn a_limit_that_is_too_small_is_looked_at_every_two_seconds() {
        let mut retry = Retry::new(300);
        for limit in [0, 383, 300, 0] {
            assert_eq!(retry.pause(limit), Some(RETRY_INTERVAL));
        }
        // Also after pauses for a limit that was smaller than before.
        assert_eq!(retry.pause(8192), None);
        assert_eq!(
            [4096; 3].map(|limit| retry.pause(limit)),
            [2, 4, 8].map(|s| Some(Duration::from_secs(s)))
        );
        assert_eq!(retry.pause(200), Some(RETRY_INTERVAL));
    }
}
