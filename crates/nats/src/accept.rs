//! The server's end: a listener for the requests of clients.

mod remembered;
mod request_connector;
mod requests;
mod responder;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Message, Subject};
use fault_proxy_relay::{Accepted, Connector, Listener, Peer};
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use tokio::time::Instant;

use self::remembered::Known;
pub(crate) use self::remembered::Remembered;
use self::request_connector::{PendingSession, RequestConnector};
use self::requests::{Requests, SUBSCRIBE_TIMEOUT, Source};
use self::responder::{Responder, publish_later};
use crate::handshake::{self, Request, RequestError, Scope, Target};
use crate::session::Role;
use crate::subject::{self, ServiceName};
use crate::tunnels::Tunnels;

/// Message count of an unsubscription that nats-server carries out immediately, because it ignores counts of more than
/// nine digits. async-nats keeps the subscription until that many messages have arrived, so it still delivers messages
/// that were on their way. Its own `unsubscribe` and `drain` drop them.
const IGNORED_COUNT: u64 = u64::MAX;

/// Time that clients wait if their request does not specify it.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// Maximum size of a request with its headers, in bytes.
const MAX_REQUEST: usize = 64 << 10;

/// Returns the connector to a target, or the reason why this server refuses it. The reason is sent to the client.
type Dial = dyn Fn(&Target) -> Result<Arc<dyn Connector>, String> + Send + Sync;

/// Receives the requests of clients.
///
/// Each accepted request comes with a connector ([`Accepted::connector`]), which dials the target and then answers the
/// client: with the session, or with the reason why it was refused. Dropping the listener leaves new requests to other
/// servers. It refuses requests that have already arrived, so that their clients ask again.
pub struct NatsAccept {
    tunnels: Tunnels,
    dial: Box<Dial>,
    requests: Requests,
    /// Subject to which clients repeat a request that this server has received.
    direct: Subject,
}

impl Tunnels {
    /// Receives the requests of clients, as one of any number of servers. It also offers `services`. `dial` returns the
    /// connector to a target, or the reason why this server refuses the target.
    ///
    /// # Errors
    /// Returns an error if the NATS connection has ended, or NATS refuses the shortest messages that sessions need.
    pub async fn listen(
        &self,
        services: &[ServiceName],
        dial: impl Fn(&Target) -> Result<Arc<dyn Connector>, String> + Send + Sync + 'static,
    ) -> io::Result<NatsAccept> {
        let link = &self.inner.link;
        let limit_hits = link.permissions().limit_hits();
        let (hits, connects) = (*limit_hits.borrow(), link.status().borrow().connects);
        let direct = Subject::from(subject::to_server(&self.inner.instance.to_string()));
        let mut requests = SelectAll::new();
        let of_services = services.iter().map(subject::service);
        for subject in
            [subject::REQUEST.to_owned()].into_iter().chain(of_services).chain([direct.to_string()])
        {
            requests.push(Source::subscribe(link.client(), subject).await.map_err(io::Error::other)?);
        }
        // The caller may announce the server to clients: NATS must have the subscriptions by then.
        self.settle_with_longest(SUBSCRIBE_TIMEOUT).await.map_err(io::Error::other)?;
        let confirmed_on = (*limit_hits.borrow() == hits).then_some(connects);
        let requests = Requests::new(self.clone(), requests, confirmed_on);
        Ok(NatsAccept { tunnels: self.clone(), dial: Box::new(dial), requests, direct })
    }
}

impl NatsAccept {
    /// Returns the session that a request asks for, or `None` if the request has been answered. `unseen` is the longest
    /// time that the request may have waited.
    fn take(&self, message: Message, unseen: Duration) -> Option<Accepted> {
        let Message { subject, reply, payload, headers, length, .. } = message;
        let inner = &self.tunnels.inner;
        let ignored = |why: &dyn fmt::Display| {
            inner
                .bad_messages
                .warn(Some(&*subject), why, |times| format!("dropped {times} on {subject}: {why}"));
        };
        let Some(reply) = reply else {
            ignored(&"a request without a reply subject");
            return None;
        };
        if reply.len() > handshake::MAX_INBOX {
            ignored(&"a request with a reply subject that is too long");
            return None;
        }
        if subject == self.direct {
            self.answer_again(headers.as_ref(), reply);
            return None;
        }
        let answer = |reply, id| Responder::new(self.tunnels.clone(), Some(reply), id);
        if length > MAX_REQUEST {
            let reason = format!("the request has {length} bytes, and at most {MAX_REQUEST} are allowed");
            ignored(&reason);
            answer(reply, None).refuse(reason, Scope::All);
            return None;
        }
        if let Some((report, unable)) = handshake::parse_check(headers.as_ref()) {
            if !report.is_empty() {
                if let Some(unable) = unable {
                    inner.link.permissions().suspect(unable, &report);
                }
                inner
                    .refused
                    .warn(None, &report, |times| format!("{times} reported a client's problem: {report}"));
            }
            answer(reply, None).refuse("the request was a check".to_owned(), Scope::All);
            return None;
        }
        if let Some(reason) = self.obstacle(&subject) {
            self.refuse_here(answer(reply, None), reason);
            return None;
        }
        if inner.budget.is_full() {
            inner.budget.report_shortage();
            answer(reply, None).refuse("this server's memory limit is reached".to_owned(), Scope::Busy);
            return None;
        }
        let request = match Request::parse(&subject, headers.as_ref(), &payload) {
            Ok(request) => request,
            Err(error) => {
                ignored(&error);
                // A sender of other data is not a client, and does not get a response.
                if !matches!(error, RequestError::Message(_)) {
                    answer(reply, None).refuse(error.to_string(), Scope::All);
                }
                return None;
            }
        };
        if request.refused_by.contains(&inner.instance) {
            answer(reply, None).refuse("this server has refused it before".to_owned(), Scope::ThisServer);
            return None;
        }
        if unseen >= request.wait.unwrap_or(DEFAULT_WAIT) {
            // A client that still waits asks again.
            answer(reply, None)
                .refuse("the request may be older than its client waits".to_owned(), Scope::Busy);
            return None;
        }
        if let Some(id) = &request.id {
            let known = self.tunnels.remembered().on_request(id, &reply, Instant::now());
            if known != Known::New {
                self.answer_known(known, reply);
                return None;
            }
        }
        match (self.dial)(&request.target) {
            Ok(connector) => {
                let id = request.id.clone();
                Some(self.accepted(request, connector, answer(reply, id)))
            }
            Err(reason) => {
                let reason = format!("{}: {reason}", request.target);
                self.refuse_here(answer(reply, request.id), reason);
                None
            }
        }
    }

    /// Returns why this server cannot have sessions now.
    fn obstacle(&self, subject: &str) -> Option<String> {
        let (link, permissions) = (&self.tunnels.inner.link, self.tunnels.inner.link.permissions());
        permissions
            .obstacle("server", subject)
            .or_else(|| link.message_limit_problem().map(|problem| format!("the server's {problem}")))
            .or_else(|| {
                permissions.is_full().then(|| "NATS refuses more subscriptions of this server".to_owned())
            })
    }

    fn refuse_here(&self, answer: Responder, reason: String) {
        self.tunnels
            .inner
            .refused
            .warn(None, &reason, |times| format!("refused {times}, the last because {reason}"));
        answer.refuse(reason, Scope::ThisServer);
    }

    /// Answers a request that its client has repeated to this server, because this server has received it before.
    fn answer_again(&self, headers: Option<&HeaderMap>, reply: Subject) {
        let id = headers.and_then(Request::parse_repeated);
        let known = id.map_or(Known::New, |id| self.tunnels.remembered().get(&id, &reply));
        self.answer_known(known, reply);
    }

    fn answer_known(&self, known: Known, reply: Subject) {
        let (reason, scope) = match known {
            Known::Pending => {
                return publish_later(&self.tunnels, reply, handshake::pending(self.tunnels.inner.instance));
            }
            Known::Answered(answer) => return publish_later(&self.tunnels, reply, answer),
            Known::New => ("this server does not have the request", Scope::Busy),
            Known::Foreign => ("the request has the ID of another one", Scope::All),
        };
        Responder::new(self.tunnels.clone(), Some(reply), None).refuse(reason.to_owned(), scope);
    }

    fn accepted(&self, request: Request, connector: Arc<dyn Connector>, answer: Responder) -> Accepted {
        let encoding = request.offer.as_ref().map(|offer| offer.choose(&self.tunnels.inner.config.encodings));
        let peer = request.offer.map(|offer| offer.sender).unwrap_or_default();
        let id = self.tunnels.new_id();
        let shared = self.tunnels.session(&id, encoding, Role::Server, peer, request.notices);
        let peer = Peer::Name(format!("nats:{id}").into());
        let mut accepted = Accepted::new(Box::new(self.tunnels.stream(Arc::clone(&shared))), peer);
        let place = self.tunnels.inner.link.permissions().take_place();
        let opening = PendingSession { answer, id, encoding, shared, place };
        accepted.connector = Some(Arc::new(RequestConnector {
            target: request.target,
            connector,
            opening: parking_lot::Mutex::new(Some(opening)),
            wait: request.wait.and_then(|wait| Some((wait, Instant::now().checked_add(wait)?))),
        }));
        accepted
    }
}

/// Refuses a request for now, so that its client asks again.
pub(crate) fn decline(tunnels: &Tunnels, reply: Option<Subject>) {
    drop(Responder::new(tunnels.clone(), reply, None));
}

impl Listener for NatsAccept {
    async fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            let request = self.requests.next().await;
            let (request, unseen) =
                request.ok_or_else(|| io::Error::other("the NATS connection has ended"))?;
            if let Some(accepted) = self.take(request, unseen) {
                return Ok(accepted);
            }
        }
    }
}

impl Drop for NatsAccept {
    fn drop(&mut self) {
        let mut requests = std::mem::take(&mut self.requests.subscribers);
        let tunnels = self.tunnels.clone();
        self.tunnels.inner.tasks.spawn(async move {
            for source in &mut requests {
                // Fails only if the connection has ended, and then no more messages arrive either.
                let _ = source.subscriber.unsubscribe_after(IGNORED_COUNT).await;
            }
            tunnels.settle(SUBSCRIBE_TIMEOUT).await;
            for mut source in requests {
                let _ = source.subscriber.unsubscribe().await;
                while let Some(Message { reply, .. }) = source.next().await {
                    decline(&tunnels, reply);
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
