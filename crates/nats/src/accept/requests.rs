//! The requests that come from NATS, and how long they may have waited unseen.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Client, Message, SubscribeError, Subscriber};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::rights::Missing;
use crate::subject;
use crate::tunnels::Tunnels;

/// NATS may be away; then it has the subscriptions when it is back.
pub(super) const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

const TICK: Duration = Duration::from_millis(500);
/// A longer pause between two ticks is one of the process: it was stopped, or its machine was.
const MIN_GAP: Duration = Duration::from_secs(2);

/// A subscription to requests.
#[derive(Debug)]
pub(super) struct Source {
    subject: String,
    pub(super) subscriber: Subscriber,
}

impl Source {
    /// Shares requests with other servers; other subjects are this server's alone.
    pub(super) async fn subscribe(client: &Client, subject: String) -> Result<Self, SubscribeError> {
        let subscriber = if subject::is_request(&subject) {
            client.queue_subscribe(subject.clone(), subject::QUEUE_GROUP.to_owned()).await?
        } else {
            client.subscribe(subject.clone()).await?
        };
        Ok(Self { subject, subscriber })
    }
}

impl Stream for Source {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.subscriber).poll_next(cx)
    }
}

pub(super) struct Requests {
    pub(super) subscribers: SelectAll<Source>,
    tunnels: Tunnels,
    missing: watch::Receiver<Missing>,
    /// Subjects whose subscriptions NATS has refused or ended.
    refused: Vec<String>,
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
    pub(super) fn new(tunnels: Tunnels, subscribers: SelectAll<Source>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut missing = tunnels.inner.link.rights().missing();
        missing.mark_changed();
        let (refused, last_look) = (Vec::new(), Instant::now());
        Self { subscribers, tunnels, missing, refused, ticks, last_look, doubt: None }
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
                Ok(()) = self.missing.changed() => {
                    self.follow_rights().await;
                    continue;
                }
                message = self.subscribers.next() => Some(message?),
            };
            self.check_rights();
            if let Some(message) = message {
                return Some((message, self.doubt.as_ref().map_or(Duration::ZERO, |doubt| doubt.gap)));
            }
        }
    }

    /// Subscribes again to what NATS had refused and allows now.
    async fn follow_rights(&mut self) {
        let missing = self.missing.borrow_and_update().clone();
        let subjects: Vec<_> = self.subscribers.iter().map(|source| source.subject.clone()).collect();
        for subject in subjects {
            let was_refused = self.refused.contains(&subject);
            if missing.refuses_subscription(&subject) {
                if !was_refused {
                    self.refused.push(subject);
                }
            } else if was_refused
                && let Ok(source) = Source::subscribe(self.tunnels.inner.link.client(), subject).await
            {
                self.refused.retain(|refused| *refused != source.subject);
                let others = std::mem::take(&mut self.subscribers).into_iter();
                self.subscribers = others.filter(|other| other.subject != source.subject).collect();
                self.subscribers.push(source);
            }
        }
    }

    /// Finds out whether the process has paused.
    fn check_rights(&mut self) {
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

/// Waits until NATS has processed what was subscribed and unsubscribed, and async-nats has delivered what NATS sent before.
pub(super) async fn settle(tunnels: &Tunnels) {
    let (to, back) = tunnels.unused_subjects();
    tunnels.inner.link.flush_confirmed(to, back, SUBSCRIBE_TIMEOUT).await;
}
