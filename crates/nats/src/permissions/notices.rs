//! Notices: messages with which a server ends a session if NATS does not let it publish to the subject of the client.
//! See `docs/nats-protocol.md`.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;

use async_nats::Message;
use futures_util::StreamExt as _;
use tokio::select;
use tokio::sync::watch;
use tracing::debug;

use super::Missing;
use crate::driver::NOTICE_SESSION;
use crate::subject;
use crate::tunnels::Tunnels;

impl Tunnels {
    /// Subscribes to notices and passes them to their sessions. Only a client receives notices.
    pub(super) async fn take_notices(&self) -> Infallible {
        let (client, permissions) = (self.inner.link.client(), self.inner.link.permissions());
        if !permissions.is_for_client() {
            return pending().await;
        }
        let inbox = self.inner.notices.get().cloned().unwrap_or_else(|| client.new_inbox());
        while let Ok(mut notices) = client.subscribe(inbox.clone()).await {
            let _ = self.inner.notices.set(inbox.clone());
            let mut is_back = pin!(wait_allowed_again(permissions.missing(), &inbox));
            loop {
                select! {
                    Some(notice) = notices.next() => self.on_notice(notice),
                    () = &mut is_back => break,
                }
            }
        }
        // The NATS connection has ended.
        pending().await
    }

    fn on_notice(&self, notice: Message) {
        let id = notice.headers.as_ref().and_then(|headers| headers.get(NOTICE_SESSION));
        let session =
            id.and_then(|id| self.inner.link.permissions().session(&subject::to_client(id.as_str())));
        let Some(session) = session else {
            debug!("received a notice for an unknown session");
            return;
        };
        session.update(|core, now| {
            if let Err(error) = core.receive(now, notice.payload) {
                self.inner
                    .bad_messages
                    .warn(None, &error, |times| format!("dropped {times} of notices: {error}"));
            }
        });
    }
}

/// Waits until NATS, which has refused a subscription to `inbox`, allows it. Then the caller must subscribe again.
async fn wait_allowed_again(mut missing: watch::Receiver<Missing>, inbox: &str) {
    // Never an error, because the link has the sender.
    let _ = missing.wait_for(|missing| missing.refuses_subscription(inbox)).await;
    let _ = missing.wait_for(|missing| !missing.refuses_subscription(inbox)).await;
}
