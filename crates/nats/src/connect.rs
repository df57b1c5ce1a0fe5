//! The client's end: a connector to targets over NATS.

mod attempt;
pub(crate) mod refusals;

use std::time::Duration;

use fault_proxy_relay::{ConnectError, Connected, Connecting, Connector, Peer};
use tokio::select;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use self::attempt::{Failed, attempt};
use self::refusals::Refusals;
use crate::handshake::{EndInfo, Negotiated, Refusal, Reply, Scope, Target};
use crate::id::SessionId;
use crate::session::Role;
use crate::subject;
use crate::tunnels::Tunnels;

/// Delay before a request is sent again when no server listens or a server is busy. It doubles while servers are busy.
const RETRY_DELAY: Duration = Duration::from_millis(20);
const MAX_RETRY_DELAY: Duration = Duration::from_millis(500);
/// Time that a client waits for servers to listen. After an outage of NATS, servers may come back later than clients.
const SERVER_RETURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to a target through a server that listens on NATS.
#[derive(Debug, Clone)]
pub struct NatsConnect {
    tunnels: Tunnels,
    target: Target,
}

impl Tunnels {
    /// Returns a connector to `target` through a server.
    pub fn connector(&self, target: Target) -> NatsConnect {
        NatsConnect { tunnels: self.clone(), target }
    }
}

impl NatsConnect {
    /// Opens a session: asks a server to dial the target, and waits for its answer.
    ///
    /// # Errors
    /// Returns [`ConnectError::Refused`] with the reasons of the servers, or with the reason why no server was asked.
    /// Returns [`ConnectError::Handshake`] if there was no usable answer in time.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the session. A server that has dialed by then notices this after its `max_outage`.
    pub async fn open(&self) -> Result<Connected, ConnectError> {
        let open_timeout = self.tunnels.inner.config.open_timeout;
        let mut progress = "NATS is not reachable";
        let mut refusals = Refusals::default();
        let until = Instant::now() + open_timeout;
        let (permissions, subject) = (self.tunnels.inner.link.permissions(), self.target.subject());
        let opened = select! {
            biased;
            obstacle = permissions.wait_obstacle("client", &subject) => return Err(ConnectError::Refused(obstacle)),
            opened = timeout_at(until, self.request(until, &mut progress, &mut refusals)) => opened,
        };
        match opened {
            Ok(opened) => opened,
            Err(_) => {
                let missing = format!("{progress} within {open_timeout:?}");
                Err(match refusals.reason() {
                    Some(reason) => ConnectError::Refused(format!("{reason}; {missing}")),
                    None => self.failed(missing),
                })
            }
        }
    }

    /// Sends the request until a server has decided or all have refused. `progress` is the missing step if the caller
    /// stops waiting.
    async fn request(
        &self,
        until: Instant,
        progress: &mut &str,
        refusals: &mut Refusals,
    ) -> Result<Connected, ConnectError> {
        if self.tunnels.inner.budget.is_full() {
            self.tunnels.inner.budget.report_shortage();
            return Err(ConnectError::Refused("the memory limit of this program is reached".to_owned()));
        }
        let mut status = self.tunnels.inner.link.status();
        let mut no_server_since = None;
        let mut busy_delay = RETRY_DELAY;
        loop {
            let connects = match status.wait_for(|status| status.is_up).await {
                Ok(status) => status.connects,
                Err(_) => return Err(self.failed("the NATS connection has ended")),
            };
            if let Some(problem) = self.tunnels.inner.link.message_limit_problem() {
                return Err(ConnectError::Refused(problem));
            }
            *progress = "no server answered";
            let reply = select! {
                reply = attempt(&self.tunnels, &self.target, refusals.servers(), until) => reply,
                // Messages in flight may be lost.
                Ok(_) = status.wait_for(|status| status.connects != connects) => continue,
            };
            let reply = match reply {
                Ok(Some(reply)) => reply,
                Ok(None) => {
                    let since = *no_server_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= SERVER_RETURN_TIMEOUT {
                        let subject = self.target.subject();
                        return Err(ConnectError::Refused(format!("no proxy server listens on {subject}")));
                    }
                    sleep(RETRY_DELAY).await;
                    continue;
                }
                Err(error) => return Err(self.failed(error)),
            };
            match reply {
                Reply::Opened { id, agreed } => return self.start(id, agreed).await,
                // Not a decision: `attempt` waits on after a pending reply.
                Reply::Pending { .. } => {}
                Reply::Refused { refusal: Refusal { reason, scope: Scope::All }, .. } => {
                    return Err(ConnectError::Refused(reason));
                }
                Reply::Refused { refusal: Refusal { reason, scope: Scope::ThisServer }, server } => {
                    debug!(reason, "asking another server");
                    if !refusals.add(server, reason) {
                        return Err(ConnectError::Refused(refusals.reason().unwrap_or_default()));
                    }
                }
                Reply::Refused { refusal: Refusal { reason, scope: Scope::Busy }, .. } => {
                    debug!(reason, "asking another server, or the same one later");
                    refusals.met_another();
                    *progress = "no server had room";
                    sleep(busy_delay).await;
                    busy_delay = (busy_delay * 2).min(MAX_RETRY_DELAY);
                }
            }
        }
    }

    async fn start(&self, id: SessionId, agreed: Option<Negotiated>) -> Result<Connected, ConnectError> {
        // Otherwise both sessions would receive each other's data.
        if self.tunnels.inner.link.permissions().session(&subject::to_client(id.as_str())).is_some() {
            return Err(self.failed("the server's reply has the ID of an open session"));
        }
        let (encoding, credit, peer) = match agreed {
            Some(agreed) => (Some(agreed.encoding), agreed.window, agreed.sender),
            None => (None, 0, EndInfo::default()),
        };
        let shared = self.tunnels.session(&id, encoding, Role::Client { credit }, peer, None);
        self.tunnels.start(&shared).await.map_err(|error| self.failed(error))?;
        let stream = self.tunnels.stream(shared);
        Ok(Connected::new(Box::new(stream), Peer::Name(format!("nats:{id}").into())))
    }

    fn failed(&self, source: impl Into<Failed>) -> ConnectError {
        ConnectError::Handshake { target: format!("{} over NATS", self.target), source: source.into() }
    }
}

impl Connector for NatsConnect {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(self.open())
    }
}
