//! The requests that come from NATS, and how long they may have waited unseen.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{SelectAll, StreamExt as _};
use tokio::select;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::settle;
use crate::tunnels::Tunnels;

const TICK: Duration = Duration::from_millis(500);
/// A longer pause between two ticks is one of the process: it was stopped, or its machine was.
const MIN_GAP: Duration = Duration::from_secs(2);

pub(super) struct Requests {
    pub(super) subscribers: SelectAll<Subscriber>,
    tunnels: Tunnels,
    ticks: Interval,
    last_look: Instant,
    doubt: Option<Doubt>,
}

/// After a pause of the process, requests may be as old as the pause was long. Those that come after a round trip to NATS
/// are not.
struct Doubt {
    gap: Duration,
    /// `None` once the round trip is over and only the requests that came before its end are left.
    round_trip: Option<BoxFuture<'static, ()>>,
}

impl Requests {
    pub(super) fn new(tunnels: Tunnels, subscribers: SelectAll<Subscriber>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { subscribers, tunnels, ticks, last_look: Instant::now(), doubt: None }
    }

    /// Returns the next request with the longest time that it may have waited before the process saw it; `None` when the
    /// NATS connection has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses no request.
    pub(super) async fn next(&mut self) -> Option<(Message, Duration)> {
        loop {
            if let Some(Doubt { gap, round_trip: None }) = self.doubt {
                match self.subscribers.next().now_or_never() {
                    Some(message) => return message.map(|message| (message, gap)),
                    None => self.doubt = None,
                }
            }
            let message = select! {
                biased;
                _ = self.ticks.tick() => None,
                () = Self::round_trip(&mut self.doubt) => continue,
                message = self.subscribers.next() => Some(message?),
            };
            self.look();
            if let Some(message) = message {
                return Some((message, self.doubt.as_ref().map_or(Duration::ZERO, |doubt| doubt.gap)));
            }
        }
    }

    /// Finds out whether the process has paused.
    fn look(&mut self) {
        let gap = self.last_look.elapsed();
        self.last_look = Instant::now();
        if gap >= MIN_GAP {
            let tunnels = self.tunnels.clone();
            let round_trip = async move { settle(&tunnels).await }.boxed();
            self.doubt = Some(Doubt { gap, round_trip: Some(round_trip) });
        }
    }

    async fn round_trip(doubt: &mut Option<Doubt>) {
        match doubt {
            Some(Doubt { round_trip: place @ Some(_), .. }) => {
                if let Some(round_trip) = place {
                    round_trip.await;
                }
                *place = None;
            }
            _ => std::future::pending().await,
        }
    }
}
