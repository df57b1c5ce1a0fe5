//! A check of all permissions: uses each of them once, to find the missing ones.

use std::convert::Infallible;
use std::time::Duration;

use async_nats::{Message, Subject};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::select;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::{Missing, Permission};
use crate::accept::decline;
use crate::handshake;
use crate::id::InstanceId;
use crate::subject;
use crate::tunnels::Tunnels;

/// Interval at which missing permissions are tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Time limit for NATS to process the check.
const ROUND_TIMEOUT: Duration = Duration::from_secs(2);
/// Time to wait for further refusals after the first one.
const REFUSALS_TIMEOUT: Duration = Duration::from_millis(200);

impl Tunnels {
    /// Uses all permissions that the link [requires](crate::NatsConnection::require) once. Returns true if NATS has
    /// processed the check. Clients publish a request for which servers do not dial. A server declines requests that it
    /// receives during the check, so that other servers get them.
    ///
    /// # Cancel safety
    /// Dropping the future stops the check.
    pub async fn try_permissions(&self) -> bool {
        self.try_some(|_| true).await
    }

    /// As [`Self::try_permissions`], but only uses permissions to requests that `is_tried` selects.
    async fn try_some(&self, is_tried: impl Fn(&Permission) -> bool) -> bool {
        let link = &self.inner.link;
        let (permissions, inbox) = (link.permissions(), Subject::from(link.client().new_inbox()));
        permissions.missing.send_modify(Missing::begin_round);
        let refused = async {
            // Never an error, because `permissions` has the sender.
            _ = permissions.missing().wait_for(Missing::is_denied_in_round).await;
            sleep(REFUSALS_TIMEOUT).await;
        };
        let tried = select! {
            tried = timeout(ROUND_TIMEOUT, self.use_all(permissions.needed(), &inbox, is_tried)) => tried.unwrap_or(false),
            () = refused => true,
        };
        if tried || permissions.missing.borrow().is_denied_in_round() {
            if !permissions.missing().borrow().is_empty() {
                // A refusal arrives before the end of the round trip, but async-nats reports it on another path.
                sleep(REFUSALS_TIMEOUT).await;
            }
            permissions.end_round();
        }
        self.report().await;
        tried
    }

    /// Tries missing permissions again and again until NATS grants them, so that a change of permissions takes effect
    /// without a restart. A client also receives notices, with which a server ends a session that it may not publish
    /// to.
    ///
    /// # Cancel safety
    /// Can be called again.
    pub async fn watch_permissions(&self) -> Infallible {
        select! {
            never = self.retry_permissions() => never,
            never = self.take_notices() => never,
        }
    }

    async fn retry_permissions(&self) -> Infallible {
        let (permissions, mut status) = (self.inner.link.permissions(), self.inner.link.status());
        let (mut missing, mut is_full) = (permissions.missing(), permissions.is_full.subscribe());
        loop {
            // Never an error, because the link has the senders.
            select! {
                _ = missing.wait_for(|missing| !missing.is_empty()) => {}
                _ = is_full.wait_for(|is_full| *is_full) => {}
            }
            self.report().await;
            sleep(RETRY_INTERVAL).await;
            let _ = status.wait_for(|status| status.is_up).await;
            let known = missing.borrow().clone();
            if !known.is_empty() {
                self.try_some(|permission| known.iter().any(|missing| missing == permission)).await;
            }
            if *is_full.borrow() {
                self.try_subscription().await;
            }
        }
    }

    /// Checks whether NATS accepts a subscription again.
    async fn try_subscription(&self) {
        let permissions = self.inner.link.permissions();
        let hits = *permissions.limit_hits.borrow();
        if self.settle(ROUND_TIMEOUT).await && *permissions.limit_hits.borrow() == hits {
            permissions.is_full.send_replace(false);
            info!("NATS accepts subscriptions again");
        }
    }

    async fn use_all(
        &self,
        needed: &[Permission],
        inbox: &Subject,
        is_tried: impl Fn(&Permission) -> bool,
    ) -> bool {
        let client = self.inner.link.client();
        let mut requests = Vec::new();
        let mut replies = None;
        for permission in needed.iter().filter(|permission| !permission.is_publish()) {
            let subscribed = if permission.is_for_requests() {
                if !is_tried(permission) {
                    continue;
                }
                let subject = permission.subject().to_owned();
                client
                    .queue_subscribe(subject, subject::QUEUE_GROUP.to_owned())
                    .await
                    .map(|new| requests.push(new))
            } else if permission.is_for_data() {
                Ok(())
            } else {
                client.subscribe(inbox.clone()).await.map(|new| replies = Some(new))
            };
            if subscribed.is_err() {
                return false;
            }
        }
        for permission in needed.iter().filter(|permission| permission.is_publish()) {
            if permission.is_for_inboxes() && client.publish(inbox.clone(), Bytes::new()).await.is_err() {
                return false;
            }
            let is_request = permission.is_for_requests() && is_tried(permission);
            if is_request && !self.publish_check(permission, inbox, "", None).await {
                return false;
            }
        }
        let is_settled = self.settle(ROUND_TIMEOUT).await;
        // Dropped only now: NATS had to process the subscription, and publishing to the inbox must have a subscriber
        // until then.
        drop(replies);
        for mut requests in requests {
            let _ = requests.unsubscribe().await;
            while let Some(Message { reply, .. }) = requests.next().await {
                decline(self, reply);
            }
        }
        is_settled
    }

    /// Returns two subjects without a session: one to publish to, and one to subscribe to.
    pub(crate) fn unused_subjects(&self) -> (String, String) {
        let unused = self.new_id();
        let (to_server, to_client) =
            (subject::to_server(unused.as_str()), subject::to_client(unused.as_str()));
        if self.inner.link.permissions().is_for_client() {
            (to_server, to_client)
        } else {
            (to_client, to_server)
        }
    }

    pub(super) async fn publish_check(
        &self,
        permission: &Permission,
        inbox: &Subject,
        report: &str,
        unable: Option<InstanceId>,
    ) -> bool {
        let (headers, body) = handshake::check(report, unable);
        let to = permission.subject().to_owned();
        let client = self.inner.link.client();
        client.publish_with_reply_and_headers(to, inbox.clone(), headers, body).await.is_ok()
    }
}
