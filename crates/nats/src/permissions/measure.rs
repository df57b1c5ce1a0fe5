//! Measurements of the connection to NATS, and of the servers behind it.

use std::time::Duration;

use async_nats::StatusCode;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::Permission;
use crate::handshake::{self, Target};
use crate::tunnels::Tunnels;

/// Time limit for NATS, or a server, to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of round trips to measure. The shortest one counts.
const ROUND_TRIPS: usize = 5;

/// Answer to a check request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAnswer {
    /// A server answered after this time.
    Server(Duration),
    /// NATS answered that no server listens.
    Nobody,
    /// There was no answer within 2 s.
    Nothing,
}

impl Tunnels {
    /// Measures the shortest of five round trips to NATS. Returns `None` without an answer, for example if the permissions
    /// for the subjects of sessions are missing.
    pub async fn round_trip(&self) -> Option<Duration> {
        let mut shortest = None;
        for _ in 0..ROUND_TRIPS {
            let start = Instant::now();
            if !self.settle(ANSWER_TIMEOUT).await {
                break;
            }
            let elapsed = start.elapsed();
            shortest = Some(shortest.map_or(elapsed, |shortest: Duration| shortest.min(elapsed)));
        }
        shortest
    }

    /// Measures the maximum size of a message in bytes, up to the 44 KiB that sessions use. Returns `None` if NATS
    /// refuses messages that are long enough for a session.
    pub async fn max_message(&self) -> Option<usize> {
        self.settle_with_longest(ANSWER_TIMEOUT).await.ok()?;
        Some(self.inner.link.max_message())
    }

    /// Returns how many sessions the limit of subscriptions allows at the same time, up to `wanted`, if this connection
    /// only has the subscriptions that it needs to open sessions.
    pub async fn session_room(&self, wanted: usize) -> usize {
        let permissions = self.inner.link.permissions();
        let is_of_requests =
            |permission: &&Permission| !permission.is_publish() && permission.is_for_requests();
        // The subscription to notices of a client; or those to requests, and to repeated requests, of a server.
        let others = if permissions.is_for_client() {
            1
        } else {
            permissions.needed().iter().filter(is_of_requests).count() + 1
        };
        self.subscription_room(wanted + others).await.saturating_sub(others)
    }

    /// Subscribes up to `wanted` times. Returns the number of subscriptions that NATS accepts.
    async fn subscription_room(&self, wanted: usize) -> usize {
        let limit_hits = self.inner.link.permissions().limit_hits();
        let before = *limit_hits.borrow();
        let mut subscriptions = Vec::with_capacity(wanted);
        for _ in 0..wanted {
            let (_, back) = self.unused_subjects();
            subscriptions.extend(self.inner.link.client().subscribe(back).await.ok());
        }
        // Without an answer, the subscription of this check was refused as well.
        let is_settled = self.settle(ANSWER_TIMEOUT).await;
        sleep(Duration::from_millis(if is_settled { 0 } else { 50 })).await;
        let hits = usize::try_from(*limit_hits.borrow() - before).unwrap_or(usize::MAX);
        let of_settling = usize::from(!is_settled && hits > 0);
        subscriptions.len().saturating_sub(hits - of_settling)
    }

    /// Asks the servers for `target` whether one of them is there. The server does not dial.
    pub async fn ask_servers(&self, target: &Target) -> ServerAnswer {
        let client = self.inner.link.client();
        let inbox = client.new_inbox();
        let (headers, body) = handshake::check("", None);
        let start = Instant::now();
        let answer = async {
            let mut answers = client.subscribe(inbox.clone()).await.ok()?;
            let to = target.subject();
            client.publish_with_reply_and_headers(to, inbox.clone(), headers, body).await.ok()?;
            answers.next().await
        };
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Some(message)) if message.status == Some(StatusCode::NO_RESPONDERS) => ServerAnswer::Nobody,
            Ok(Some(_)) => ServerAnswer::Server(start.elapsed()),
            Ok(None) | Err(_) => ServerAnswer::Nothing,
        }
    }
}
