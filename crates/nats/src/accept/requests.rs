//! Requests from NATS, and how long they may have waited before they were read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Client, Message, SubscribeError, Subscriber};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::permissions::Missing;
use crate::subject;
use crate::tunnels::Tunnels;

/// Time limit for NATS to process subscriptions. If NATS is not connected, it gets them with the next connection.
pub(super) const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

const TICK: Duration = Duration::from_millis(500);
/// Minimum pause between two ticks that means that the process, or its machine, was suspended.
const MIN_GAP: Duration = Duration::from_secs(2);

/// A subscription to requests.
#[derive(Debug)]
pub(super) struct Source {
    subject: String,
    pub(super) subscriber: Subscriber,
}

impl Source {
    /// Subscribes to `subject`. Servers share the subjects of requests in a queue group; other subjects belong to this
    /// server only.
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
    is_full: watch::Receiver<bool>,
    /// Number of the connection on which NATS has accepted all subscriptions to requests, if it is known.
    confirmed_on: Option<u64>,
    ticks: Interval,
    last_look: Instant,
    doubt: Option<Doubt>,
}

/// Requests that arrive after a suspension of the process may be as old as the suspension was long, unless they arrive
/// after a round trip to NATS.
struct Doubt {
    gap: Duration,
    /// `None` once the round trip is over. Then only the requests that arrived before its end are left.
    round_trip: Option<BoxFuture<'static, ()>>,
}

impl Requests {
    /// `confirmed_on` is the number of the connection on which NATS has accepted all `subscribers`.
    pub(super) fn new(tunnels: Tunnels, subscribers: SelectAll<Source>, confirmed_on: Option<u64>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut missing = tunnels.inner.link.permissions().missing();
        missing.mark_changed();
        let is_full = tunnels.inner.link.permissions().is_full.subscribe();
        let (refused, last_look) = (Vec::new(), Instant::now());
        Self { subscribers, tunnels, missing, refused, is_full, confirmed_on, ticks, last_look, doubt: None }
    }

    /// Returns the next request, and the longest time that it may have waited before the process read it. Returns
    /// `None` when the NATS connection has ended.
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
                    self.follow_permissions().await;
                    continue;
                }
                Ok(()) = self.is_full.changed() => {
                    self.follow_limit().await;
                    continue;
                }
                message = self.subscribers.next() => Some(message?),
            };
            self.check_suspension();
            if let Some(message) = message {
                return Some((message, self.doubt.as_ref().map_or(Duration::ZERO, |doubt| doubt.gap)));
            }
        }
    }

    /// Subscribes again to subjects that NATS had refused and now allows.
    async fn follow_permissions(&mut self) {
        let missing = self.missing.borrow_and_update().clone();
        let subjects: Vec<_> = self.subscribers.iter().map(|source| source.subject.clone()).collect();
        for subject in subjects {
            let was_refused = self.refused.contains(&subject);
            if missing.refuses_subscription(&subject) {
                if !was_refused {
                    self.refused.push(subject);
                }
            } else if was_refused {
                self.refused.retain(|refused| *refused != subject);
                self.subscribe_again(subject).await;
            }
        }
    }

    /// Subscribes again when NATS accepts subscriptions again, if it may have refused a subscription to requests. The
    /// error of NATS does not contain a subject, so accepted subscriptions are replaced too. A client repeats a request
    /// that is lost by this.
    async fn follow_limit(&mut self) {
        let link = &self.tunnels.inner.link;
        let connects = link.status().borrow().connects;
        if *self.is_full.borrow_and_update() || self.confirmed_on == Some(connects) {
            return;
        }
        let limit_hits = link.permissions().limit_hits();
        let before = *limit_hits.borrow();
        let subjects: Vec<_> = self.subscribers.iter().map(|source| source.subject.clone()).collect();
        for subject in subjects {
            self.subscribe_again(subject).await;
        }
        self.tunnels.settle(SUBSCRIBE_TIMEOUT).await;
        self.confirmed_on = (*limit_hits.borrow() == before).then_some(connects);
    }

    /// Replaces the subscription to `subject`. The old one ends first, because NATS may limit the number of
    /// subscriptions.
    async fn subscribe_again(&mut self, subject: String) {
        let (old, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.subscribers).into_iter().partition(|source| source.subject == subject);
        self.subscribers = others.into_iter().collect();
        for mut source in old {
            // Fails only if the connection has ended.
            let _ = source.subscriber.unsubscribe().await;
        }
        if let Ok(source) = Source::subscribe(self.tunnels.inner.link.client(), subject).await {
            self.subscribers.push(source);
        }
    }

    /// Detects whether the process was suspended.
    fn check_suspension(&mut self) {
        let gap = self.last_look.elapsed();
        self.last_look = Instant::now();
        if gap >= MIN_GAP {
            let tunnels = self.tunnels.clone();
            let round_trip = async move { _ = tunnels.settle(SUBSCRIBE_TIMEOUT).await }.boxed();
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
