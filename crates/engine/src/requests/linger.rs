//! The time between the last response of HTTP and the end of the session.
//!
//! A connection that is closed with unread data is reset, and then the client may lose the response. So the proxy ends its side only, and
//! drops what the client sends for a while (RFC 9112, section 9.6).

use std::time::Duration;

use super::state::State;

/// Time without data from a client after its last response, after which its connection is closed.
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// Maximum time for a client to close its connection after its last response.
const MAX_LINGER: Duration = Duration::from_secs(30);

/// A client that may still send, although its last response has ended.
#[derive(Debug)]
pub(super) struct Linger {
    since: Duration,
    last_received: Duration,
}

impl Linger {
    /// Returns the time at which the session ends if the client sends nothing before.
    fn until(&self) -> Duration {
        (self.last_received + LINGER_PAUSE).min(self.since + MAX_LINGER)
    }
}

impl State {
    /// The stream of responses has ended before the session.
    pub(super) fn start_linger(&mut self, now: Duration) {
        self.acting().linger = Some(Linger { since: now, last_received: now });
    }

    /// The client has sent bytes that are dropped.
    pub(super) fn prolong_linger(&mut self, now: Duration) {
        if let Some(linger) = self.acting.as_mut().and_then(|acting| acting.linger.as_mut()) {
            linger.last_received = now;
        }
    }

    /// Returns the time at which the session ends, if its last response has ended.
    pub(super) fn lingers_until(&self) -> Option<Duration> {
        self.acting.as_ref()?.linger.as_ref().map(Linger::until)
    }
}
