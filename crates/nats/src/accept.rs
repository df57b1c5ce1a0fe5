//! The server's end: a listener whose downstreams say where they want to go.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use proxy_relay::{Accepted, ConnectError, Connecting, Connector, Listener, Peer, one_line};
use tokio::sync::Mutex;
use tracing::debug;

use crate::id::SessionId;
use crate::opening::{self, Agreed, Encoding, Refusal, Request, RequestError, Scope, Target};
use crate::shared::Shared;
use crate::subject::{self, ServiceName};
use crate::tunnels::{Role, Tunnels};

/// NATS may be away; then it has the subscriptions when it is back.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(2);

/// Message count of an unsubscription that nats-server carries out at once, because it reads no count of more than nine
/// digits. async-nats keeps the subscription until that many messages have come, so it still delivers those that were
/// on their way. Its own `unsubscribe` and `drain` drop them.
const IGNORED_COUNT: u64 = u64::MAX;

/// What reaches a target, or why this server does not; the client is told.
pub type Dial = dyn Fn(&Target) -> Result<Arc<dyn Connector>, String> + Send + Sync;

/// Takes the requests of clients.
///
/// Each brings its connector ([`Accepted::connector`]), which dials, and only then answers the client: with the
/// session, or with the reason why there is none. Dropping the listener leaves the requests to other servers; what has
/// come by then is refused, for its clients to ask again.
pub struct NatsAccept {
    tunnels: Tunnels,
    dial: Arc<Dial>,
    requests: Mutex<SelectAll<Subscriber>>,
}

impl NatsAccept {
    pub(crate) async fn new(
        tunnels: Tunnels,
        services: &[ServiceName],
        dial: Arc<Dial>,
    ) -> Result<Self, async_nats::SubscribeError> {
        let client = tunnels.inner.link.client();
        let mut requests = SelectAll::new();
        let of_services = services.iter().map(subject::service);
        for subject in std::iter::once(subject::REQUEST.to_owned()).chain(of_services) {
            requests.push(client.queue_subscribe(subject, subject::QUEUE_GROUP.to_owned()).await?);
        }
        // The caller may announce the server to clients: NATS must have the subscriptions by then.
        settle(&tunnels).await;
        Ok(Self { tunnels, dial, requests: Mutex::new(requests) })
    }

    /// What a request comes to; `None` if it is answered already.
    fn take(&self, message: Message) -> Option<Accepted> {
        let Message { subject, reply, payload, headers, .. } = message;
        let ignored = |why: &dyn fmt::Display| {
            self.tunnels.inner.bad_messages.warn(|times| format!("dropped {times} on {subject}: {why}"));
        };
        let Some(reply) = reply else {
            ignored(&"a request without a reply subject");
            return None;
        };
        let answer = |reply| Answer { tunnels: self.tunnels.clone(), reply: Some(reply) };
        let request = match Request::parse(&subject, headers.as_ref(), &payload) {
            Ok(request) => request,
            Err(error) => {
                ignored(&error);
                // Whoever sends no message at all is no client, and gets no answer.
                if !matches!(error, RequestError::Message(_)) {
                    answer(reply).refuse(error.to_string(), Scope::All);
                }
                return None;
            }
        };
        if request.refused_by.contains(&self.tunnels.inner.instance) {
            answer(reply).refuse("this server has refused it before".to_owned(), Scope::ThisServer);
            return None;
        }
        match (self.dial)(&request.target) {
            Ok(connector) => Some(self.accepted(request, connector, answer(reply))),
            Err(reason) => {
                let reason = format!("{}: {reason}", request.target);
                self.tunnels
                    .inner
                    .refused
                    .warn(|times| format!("refused {times}, the last because {reason}"));
                answer(reply).refuse(reason, Scope::ThisServer);
                None
            }
        }
    }

    fn accepted(&self, request: Request, connector: Arc<dyn Connector>, answer: Answer) -> Accepted {
        let encoding = request.offer.as_ref().map(|offer| offer.choose(&self.tunnels.inner.config.encodings));
        let peer = request.offer.and_then(|offer| offer.instance);
        let id = self.tunnels.new_id();
        let shared = self.tunnels.session(&id, encoding, Role::Server, peer);
        let peer = Peer::Name(format!("nats:{id}").into());
        let mut accepted = Accepted::new(Box::new(self.tunnels.stream(Arc::clone(&shared))), peer);
        let opening = Opening { answer, id, encoding, shared };
        accepted.connector = Some(Arc::new(Asked {
            target: request.target,
            connector,
            opening: std::sync::Mutex::new(Some(opening)),
        }));
        accepted
    }
}

/// Waits until NATS has processed what was subscribed and unsubscribed, and async-nats has delivered what NATS sent before.
async fn settle(tunnels: &Tunnels) {
    let unused = tunnels.new_id();
    let (to, back) = (subject::to_client(unused.as_str()), subject::to_server(unused.as_str()));
    tunnels.inner.link.settle(to, back, SUBSCRIBED_WITHIN).await;
}

impl Listener for NatsAccept {
    async fn accept(&self) -> io::Result<Accepted> {
        let mut requests = self.requests.lock().await;
        loop {
            let request = requests.next().await;
            let request = request.ok_or_else(|| io::Error::other("the NATS connection has ended"))?;
            if let Some(accepted) = self.take(request) {
                return Ok(accepted);
            }
        }
    }
}

impl Drop for NatsAccept {
    fn drop(&mut self) {
        let mut requests = std::mem::take(self.requests.get_mut());
        let tunnels = self.tunnels.clone();
        self.tunnels.inner.tasks.spawn(async move {
            for subscriber in &mut requests {
                // Fails only with the connection, and then nothing more comes either.
                let _ = subscriber.unsubscribe_after(IGNORED_COUNT).await;
            }
            settle(&tunnels).await;
            for mut subscriber in requests {
                let _ = subscriber.unsubscribe().await;
                while let Some(Message { reply, .. }) = subscriber.next().await {
                    drop(Answer { tunnels: tunnels.clone(), reply });
                }
            }
        });
    }
}

impl fmt::Debug for NatsAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsAccept").field("tunnels", &self.tunnels).finish_non_exhaustive()
    }
}

/// Owed to a client. Dropped, it sends the client to another server.
#[derive(Debug)]
struct Answer {
    tunnels: Tunnels,
    reply: Option<Subject>,
}

impl Answer {
    fn refuse(mut self, reason: String, scope: Scope) {
        self.send_later(&Refusal { reason, scope });
    }

    async fn send(mut self, payload: Bytes) -> Result<(), async_nats::PublishError> {
        match self.reply.take() {
            Some(reply) => self.tunnels.inner.link.client().publish(reply, payload).await,
            None => Ok(()),
        }
    }

    fn send_later(&mut self, refusal: &Refusal) {
        let Some(reply) = self.reply.take() else { return };
        let (client, payload) =
            (self.tunnels.inner.link.client().clone(), refusal.encode(self.tunnels.inner.instance));
        self.tunnels.inner.tasks.spawn(async move {
            if let Err(error) = client.publish(reply, payload).await {
                debug!(%error, "cannot answer a request");
            }
        });
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let reason = "this server is busy or about to end".to_owned();
        self.send_later(&Refusal { reason, scope: Scope::Busy });
    }
}

/// A session that its client does not know of yet.
#[derive(Debug)]
struct Opening {
    answer: Answer,
    id: SessionId,
    encoding: Option<Encoding>,
    shared: Arc<Shared>,
}

impl Opening {
    /// Listens, and then lets the client know.
    async fn open(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Self { answer, id, encoding, shared } = self;
        let tunnels = answer.tunnels.clone();
        tunnels.start(&shared).await?;
        let window = shared.lock().core.on_opening(shared.clock.now());
        let instance = Some(tunnels.inner.instance);
        let agreed = encoding.map(|encoding| Agreed { encoding, window, instance });
        answer.send(opening::opened(&id, agreed)).await?;
        Ok(())
    }
}

/// Dials what a client asks for, once, and answers it.
#[derive(Debug)]
struct Asked {
    target: Target,
    connector: Arc<dyn Connector>,
    opening: std::sync::Mutex<Option<Opening>>,
}

impl Connector for Asked {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let opening = self.opening.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let connected = self.connector.connect().await;
            let opening = opening.ok_or_else(|| ConnectError::Refused("asked for once only".to_owned()))?;
            match connected {
                Ok(connected) => {
                    opening.open().await.map_err(|source| ConnectError::Handshake {
                        target: format!("the client that asked for {}", self.target),
                        source,
                    })?;
                    Ok(connected)
                }
                Err(error) => {
                    let (reason, scope) = refusal(&error);
                    opening.answer.refuse(reason, scope);
                    Err(error)
                }
            }
        })
    }
}

/// Which reason a client gets that was not connected, and whether it is to ask another server.
fn refusal(error: &ConnectError) -> (String, Scope) {
    // Another server may have other rules, other names or another network.
    let scope = match error {
        ConnectError::Refused(_) | ConnectError::Resolve { .. } => Scope::ThisServer,
        ConnectError::Unreachable { attempts, .. } => {
            if attempts.iter().any(|(_, error)| is_of_target(error)) { Scope::All } else { Scope::ThisServer }
        }
        // The client's time is nearly up as well.
        _ => Scope::All,
    };
    let reason = match error {
        ConnectError::Refused(reason) => reason.clone(),
        error => one_line(error),
    };
    (reason, scope)
}

/// True if the target itself has caused the error.
fn is_of_target(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut)
}
