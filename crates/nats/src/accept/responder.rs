//! The answer to a client's request.

use async_nats::Subject;
use bytes::Bytes;
use tracing::debug;

use crate::handshake::{self, Refusal, Scope};
use crate::id::RequestId;
use crate::tunnels::Tunnels;

/// An answer that the client of a request still has to get. Dropping it sends the client to another server.
#[derive(Debug)]
pub(super) struct Responder {
    pub(super) tunnels: Tunnels,
    reply: Option<Subject>,
    /// `None` for clients of older versions, whose requests do not have IDs.
    request: Option<RequestId>,
}

impl Responder {
    pub(super) fn new(tunnels: Tunnels, reply: Option<Subject>, request: Option<RequestId>) -> Self {
        Self { tunnels, reply, request }
    }

    pub(super) fn refuse(mut self, reason: String, scope: Scope) {
        self.send_later(&Refusal { reason, scope });
    }

    /// Notifies a client that repeats its requests that this server has received the request.
    pub(super) fn send_pending(&self) {
        if let (Some(reply), Some(_)) = (&self.reply, &self.request) {
            publish_later(&self.tunnels, reply.clone(), handshake::pending(self.tunnels.inner.instance));
        }
    }

    /// Sends the answer. NATS reports to the subject `bounce` if the client no longer listens.
    pub(super) async fn send(
        mut self,
        payload: Bytes,
        bounce: Option<Subject>,
    ) -> Result<(), async_nats::PublishError> {
        let Some(reply) = self.reply.take() else { return Ok(()) };
        if let Some(id) = &self.request {
            self.tunnels.remembered().on_answer(id, payload.clone());
        }
        let client = self.tunnels.inner.link.client();
        match bounce {
            Some(bounce) => client.publish_with_reply(reply, bounce, payload).await,
            None => client.publish(reply, payload).await,
        }
    }

    fn send_later(&mut self, refusal: &Refusal) {
        let Some(reply) = self.reply.take() else { return };
        let payload = refusal.encode(self.tunnels.inner.instance, self.tunnels.inner.link.max_message());
        if let Some(id) = &self.request {
            let mut remembered = self.tunnels.remembered();
            if refusal.scope == Scope::Busy {
                remembered.forget(id);
            } else {
                remembered.on_answer(id, payload.clone());
            }
        }
        publish_later(&self.tunnels, reply, payload);
    }
}

pub(super) fn publish_later(tunnels: &Tunnels, reply: Subject, payload: Bytes) {
    let client = tunnels.inner.link.client().clone();
    tunnels.inner.tasks.spawn(async move {
        if let Err(error) = client.publish(reply, payload).await {
            debug!(%error, "cannot answer a request");
        }
    });
}

impl Drop for Responder {
    fn drop(&mut self) {
        let reason = "this server is busy or shutting down".to_owned();
        self.send_later(&Refusal { reason, scope: Scope::Busy });
    }
}
