//! Measurement of the maximum message size, as far as NATS does not announce it, by publishing messages.

use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::select;
use tokio::time::timeout;

use super::{LinkError, MIN_MESSAGE, NatsConnection};
use crate::tunnels::Tunnels;

impl Tunnels {
    /// Waits until NATS has processed all earlier subscriptions and unsubscriptions, and async-nats has delivered the
    /// messages that NATS sent before. Returns false if that is not certain within this time.
    pub(crate) async fn settle(&self, within: Duration) -> bool {
        let (to, back) = self.unused_subjects();
        self.inner.link.flush_confirmed(to, back, within).await
    }

    /// Like [`Self::settle`], with a message of the maximum size. If NATS refuses it, lowers the limit and tries
    /// shorter ones. Without an answer within that time, assumes that the limit is correct.
    ///
    /// # Errors
    ///
    /// Returns an error if NATS refuses messages of [`MIN_MESSAGE`] bytes.
    pub(crate) async fn settle_with_longest(&self, within: Duration) -> Result<(), LinkError> {
        let (link, (to, back)) = (&self.inner.link, self.unused_subjects());
        let settled = async {
            let mut answers = link.client().subscribe(back.clone()).await.ok()?;
            while link.max_message() >= MIN_MESSAGE
                && !link.is_taken(link.max_message(), &mut answers, &to, &back).await?
            {}
            Some(())
        };
        let _ = timeout(within, settled).await;
        link.shared.observer.limit.set_probed(0);
        if link.max_message() < MIN_MESSAGE {
            return Err(LinkError::MessagesRefused { size: MIN_MESSAGE });
        }
        Ok(())
    }

    /// Tries longer messages, up to the size that NATS announces. A refusal ends the connection.
    pub(crate) async fn settle_with_longer(&self, within: Duration) {
        let (link, (to, back)) = (&self.inner.link, self.unused_subjects());
        let limit = &link.shared.observer.limit;
        let tried = async {
            let mut answers = link.client().subscribe(back.clone()).await.ok()?;
            while let Some(size) = limit.next_longer(limit.announced(link.client().max_payload()))
                && link.is_taken(size, &mut answers, &to, &back).await?
            {
                limit.on_taken(size);
            }
            Some(())
        };
        // Without an answer, the limit stays as it is.
        let _ = timeout(within, tried).await;
        limit.set_probed(0);
    }
}

impl NatsConnection {
    /// Publishes a message of this size. Returns true if NATS accepts it, or `None` if the client has ended.
    async fn is_taken(&self, size: usize, answers: &mut Subscriber, to: &str, back: &str) -> Option<bool> {
        let mut status = self.status();
        let connects = status.wait_for(|status| status.is_up).await.ok()?.connects;
        self.shared.observer.limit.set_probed(size);
        let message = Bytes::from(vec![0; size]);
        self.client().publish_with_reply(to.to_owned(), back.to_owned(), message).await.ok()?;
        select! {
            answer = answers.next() => answer.map(|_| true),
            _ = status.wait_for(|status| status.connects != connects) => Some(false),
        }
    }

    /// Replaces the connection, because NATS announces limits at the beginning of a connection. Waits until the new one
    /// is open.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the old connection in place.
    pub(crate) async fn reconnect(&self) {
        let mut status = self.status();
        let connects = status.borrow().connects;
        self.shared.observer.expect_reconnect();
        if self.client().force_reconnect().await.is_ok() {
            let _ = status.wait_for(|status| status.is_up && status.connects != connects).await;
        }
    }

    /// Returns true if refusals have led to a smaller limit than NATS announces.
    pub(crate) fn is_limit_learned(&self) -> bool {
        let limit = &self.shared.observer.limit;
        limit.next_longer(limit.announced(self.client().max_payload())).is_some()
    }

    /// Returns the number of connections so far, without those that followed a refused message.
    pub(crate) fn other_connects(&self) -> u64 {
        self.shared.connects().saturating_sub(self.shared.observer.limit.refusals())
    }

    /// Logs a change of the limit that has not been logged yet.
    pub(crate) fn report_limit(&self) {
        self.shared.observer.report_limit();
    }
}
