//! Using all rights once, to find out which are missing.

use std::convert::Infallible;
use std::time::Duration;

use async_nats::{Message, Subject};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::select;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::{Missing, Right};
use crate::accept::decline;
use crate::handshake;
use crate::id::InstanceId;
use crate::subject;
use crate::tunnels::Tunnels;

/// How often missing rights are tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long NATS has to process what is tried.
const ROUND_TIMEOUT: Duration = Duration::from_secs(2);
/// After the first refusal, for the others.
const REFUSALS_TIMEOUT: Duration = Duration::from_millis(200);

impl Tunnels {
    /// Uses all rights that the link [requires](crate::NatsConnection::require) once. Returns whether NATS has processed all of it.
    /// Clients publish a request that servers do not dial for. Requests that a server receives by this are left to others.
    ///
    /// # Cancel safety
    /// Dropping the future gives the check up.
    pub async fn try_rights(&self) -> bool {
        self.try_some(|_| true).await
    }

    /// As [`Self::try_rights`], but about requests only with the rights that `is_tried` chooses.
    async fn try_some(&self, is_tried: impl Fn(&Right) -> bool) -> bool {
        let link = &self.inner.link;
        let (rights, inbox) = (link.rights(), Subject::from(link.client().new_inbox()));
        rights.missing.send_modify(Missing::begin_round);
        let refused = async {
            // Never ends with an error: the sender is here.
            _ = rights.missing().wait_for(Missing::is_denied_in_round).await;
            sleep(REFUSALS_TIMEOUT).await;
        };
        let tried = select! {
            tried = timeout(ROUND_TIMEOUT, self.use_all(rights.needed(), &inbox, is_tried)) => tried.unwrap_or(false),
            () = refused => true,
        };
        if tried || rights.missing.borrow().is_denied_in_round() {
            if !rights.missing().borrow().is_empty() {
                // A refusal comes before the end of the round trip, but on another way through async-nats.
                sleep(REFUSALS_TIMEOUT).await;
            }
            rights.end_round();
        }
        self.report().await;
        tried
    }

    /// Tries missing rights again and again, until they are there. A change to permissions takes effect without a restart. A client
    /// also receives notices, by which a server ends a session that it may not publish to.
    ///
    /// # Cancel safety
    /// Can be called again.
    pub async fn watch_rights(&self) -> Infallible {
        select! {
            never = self.retry_rights() => never,
            never = self.take_notices() => never,
        }
    }

    async fn retry_rights(&self) -> Infallible {
        let (rights, mut status) = (self.inner.link.rights(), self.inner.link.status());
        let (mut missing, mut is_full) = (rights.missing(), rights.is_full.subscribe());
        loop {
            // Never an error: the senders are in the link.
            select! {
                _ = missing.wait_for(|missing| !missing.is_empty()) => {}
                _ = is_full.wait_for(|is_full| *is_full) => {}
            }
            self.report().await;
            sleep(RETRY_INTERVAL).await;
            let _ = status.wait_for(|status| status.is_up).await;
            let known = missing.borrow().clone();
            if !known.is_empty() {
                self.try_some(|right| known.iter().any(|missing| missing == right)).await;
            }
            if rights.is_full() {
                self.try_subscription().await;
            }
        }
    }

    /// Finds out whether NATS takes a subscription again.
    async fn try_subscription(&self) {
        let rights = self.inner.link.rights();
        let hits = *rights.limit_hits.borrow();
        if self.settle(ROUND_TIMEOUT).await && *rights.limit_hits.borrow() == hits {
            rights.is_full.send_replace(false);
            info!("NATS takes subscriptions again");
        }
    }

    async fn use_all(&self, needed: &[Right], inbox: &Subject, is_tried: impl Fn(&Right) -> bool) -> bool {
        let client = self.inner.link.client();
        let mut requests = Vec::new();
        let mut replies = None;
        for right in needed.iter().filter(|right| !right.is_publish()) {
            let subscribed = if subject::is_request(right.subject()) {
                if !is_tried(right) {
                    continue;
                }
                let subject = right.subject().to_owned();
                client
                    .queue_subscribe(subject, subject::QUEUE_GROUP.to_owned())
                    .await
                    .map(|new| requests.push(new))
            } else if subject::is_session(right.subject()) {
                Ok(())
            } else {
                client.subscribe(inbox.clone()).await.map(|new| replies = Some(new))
            };
            if subscribed.is_err() {
                return false;
            }
        }
        for right in needed.iter().filter(|right| right.is_publish()) {
            let is_reply = !subject::is_session(right.subject()) && !subject::is_request(right.subject());
            if is_reply && client.publish(inbox.clone(), Bytes::new()).await.is_err() {
                return false;
            }
            let is_request = subject::is_request(right.subject()) && is_tried(right);
            if is_request && !self.publish_check(right, inbox, "", None).await {
                return false;
            }
        }
        let is_settled = self.settle(ROUND_TIMEOUT).await;
        // Dropped only now: NATS was to process the subscription, and the inbox stays until then.
        drop(replies);
        for mut requests in requests {
            let _ = requests.unsubscribe().await;
            while let Some(Message { reply, .. }) = requests.next().await {
                decline(self, reply);
            }
        }
        is_settled
    }

    /// Subjects without a session: one to publish to, one to subscribe to.
    pub(crate) fn unused_subjects(&self) -> (String, String) {
        let unused = self.new_id();
        let (to_server, to_client) =
            (subject::to_server(unused.as_str()), subject::to_client(unused.as_str()));
        if self.inner.link.rights().is_for_client() { (to_server, to_client) } else { (to_client, to_server) }
    }

    pub(super) async fn publish_check(
        &self,
        right: &Right,
        inbox: &Subject,
        report: &str,
        unable: Option<InstanceId>,
    ) -> bool {
        let (headers, body) = handshake::check(report, unable);
        let to = right.subject().to_owned();
        let client = self.inner.link.client();
        client.publish_with_reply_and_headers(to, inbox.clone(), headers, body).await.is_ok()
    }
}
