//! The client's end: a connector.

use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use proxy_relay::{ConnectError, Connected, Connecting, Connector, Peer};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::id::SessionId;
use crate::opening::{self, Agreed, Refusal, Reply, Target};
use crate::subject;
use crate::tunnels::{Role, Tunnels};

/// Before another server is asked, when one says so.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Reaches a target through a server that listens on NATS.
#[derive(Debug, Clone)]
pub struct NatsConnect {
    tunnels: Tunnels,
    target: Target,
}

impl NatsConnect {
    pub(crate) fn new(tunnels: Tunnels, target: Target) -> Self {
        Self { tunnels, target }
    }

    /// Opens a session: asks a server to dial the target, and waits for its answer.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] with the server's reason, or why none was asked; [`ConnectError::Handshake`] when
    /// there was no usable answer in time.
    ///
    /// # Cancel safety
    /// Dropping the future gives the session up. A server that has dialled by then notices after its `max_outage`.
    pub async fn open(&self) -> Result<Connected, ConnectError> {
        let config = &self.tunnels.inner.config;
        let deadline = Instant::now() + config.open_timeout;
        let opened = timeout_at(deadline, async {
            loop {
                match self.request(deadline).await? {
                    Reply::Opened { id, agreed } => return self.start(id, agreed).await,
                    Reply::Refused(Refusal { reason, retry: true }) => {
                        debug!(reason, "asking another server");
                        sleep(RETRY_AFTER).await;
                    }
                    Reply::Refused(Refusal { reason, .. }) => return Err(ConnectError::Refused(reason)),
                }
            }
        });
        match opened.await {
            Ok(opened) => opened,
            Err(_) => Err(self.failed(format!("no answer within {:?}", config.open_timeout))),
        }
    }

    async fn request(&self, deadline: Instant) -> Result<Reply, ConnectError> {
        let link = &self.tunnels.inner.link;
        let mut status = link.status();
        if timeout_at(deadline, status.wait_for(|status| status.is_up)).await.is_err() {
            return Err(ConnectError::Refused("NATS is not reachable".to_owned()));
        }
        let subject = match &self.target {
            Target::Host { .. } => subject::REQUEST.to_owned(),
            Target::Service(name) => subject::service(name),
        };
        let (headers, body) = opening::request(&self.target, &self.tunnels.offer());
        let request = Request::new().payload(body).headers(headers).timeout(None);
        let reply = link.client().send_request(subject.clone(), request).await;
        let reply = reply.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => {
                ConnectError::Refused(format!("no proxy server listens on {subject}"))
            }
            _ => self.failed(error),
        })?;
        Reply::parse(&reply.payload).map_err(|error| self.failed(error))
    }

    async fn start(&self, id: SessionId, agreed: Option<Agreed>) -> Result<Connected, ConnectError> {
        let (encoding, credit) = match agreed {
            Some(agreed) => (Some(agreed.encoding), agreed.window),
            None => (None, 0),
        };
        let shared = self.tunnels.session(&id, encoding, Role::Client { credit });
        self.tunnels.start(&shared).await.map_err(|error| self.failed(error))?;
        let stream = self.tunnels.stream(shared);
        Ok(Connected::new(Box::new(stream), Peer::Name(format!("nats:{id}").into())))
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        ConnectError::Handshake { target: format!("{} over NATS", self.target), source: source.into() }
    }
}

impl Connector for NatsConnect {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(self.open())
    }
}
