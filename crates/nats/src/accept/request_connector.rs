//! Dials the targets that clients request.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_relay::{ConnectError, Connected, Connecting, Connector, error_chain};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::responder::Responder;
use crate::handshake::{self, Encoding, Negotiated, Scope, Target};
use crate::id::SessionId;
use crate::permissions::Place;
use crate::shared::Shared;

/// Time after which the client is notified that its request is pending. Clients repeat a request after a second without
/// an answer.
const PENDING_DELAY: Duration = Duration::from_millis(500);

/// Maximum time that is reserved for a reply before its client stops waiting.
const MAX_REPLY_TIME: Duration = Duration::from_secs(1);

/// A session whose client has not been answered yet.
#[derive(Debug)]
pub(super) struct PendingSession {
    pub(super) answer: Responder,
    pub(super) id: SessionId,
    pub(super) encoding: Option<Encoding>,
    pub(super) shared: Arc<Shared>,
    /// Place of an ended session, if NATS refuses more subscriptions.
    pub(super) place: Option<Place>,
}

impl PendingSession {
    /// Subscribes to the session's subject, and then answers the client.
    async fn open(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Self { answer, id, encoding, shared, place } = self;
        let tunnels = answer.tunnels.clone();
        shared.lock().core.expect_first_frame(shared.clock.now());
        tunnels.start(&shared).await?;
        if let Some(place) = place {
            place.occupy();
        }
        let window = shared.lock().core.on_opening(shared.clock.now());
        let sender = tunnels.end_info();
        let agreed = encoding.map(|encoding| Negotiated { encoding, window, sender });
        let bounce = agreed.map(|_| shared.subjects.local.clone());
        answer.send(handshake::opened(&id, agreed), bounce).await?;
        Ok(())
    }
}

/// Dials the requested target once and answers the client.
#[derive(Debug)]
pub(super) struct RequestConnector {
    pub(super) target: Target,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) opening: Mutex<Option<PendingSession>>,
    /// Time that the client waits, and its end.
    pub(super) wait: Option<(Duration, Instant)>,
}

impl RequestConnector {
    async fn dial(&self, responder: &Responder) -> Result<Connected, ConnectError> {
        let dial = async {
            let mut dial = pin!(match self.wait {
                Some((wait, until)) => self.connector.connect_within(dial_limit(wait, until)),
                None => self.connector.connect(),
            });
            if let Ok(connected) = timeout(PENDING_DELAY, &mut dial).await {
                return connected;
            }
            responder.send_pending();
            dial.await
        };
        let Some((wait, until)) = self.wait else { return dial.await };
        let timed_out =
            || ConnectError::TimedOut { target: self.target.to_string(), after: wait, attempts: Vec::new() };
        if until <= Instant::now() {
            return Err(timed_out());
        }
        timeout_at(until, dial).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl Connector for RequestConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let opening = self.opening.lock().take();
            let opening = opening.ok_or_else(|| {
                ConnectError::Refused("a connector of a request connects only once".to_owned())
            })?;
            match self.dial(&opening.answer).await {
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

/// Returns the time limit, in whole milliseconds, of a dial for a client that waits for `wait` and until `until`. The
/// client gets the reason of a failure only if the reply arrives before it stops waiting.
fn dial_limit(wait: Duration, until: Instant) -> Duration {
    let left = until.saturating_duration_since(Instant::now()).saturating_sub((wait / 4).min(MAX_REPLY_TIME));
    Duration::new(left.as_secs(), left.subsec_millis() * 1_000_000)
}

/// Returns the reason that a client gets whose request failed, and the servers that the reason applies to.
fn refusal(error: &ConnectError) -> (String, Scope) {
    // Another server may have other rules, other names or another network.
    let scope = match error {
        ConnectError::Refused(_) | ConnectError::Resolve { .. } => Scope::ThisServer,
        ConnectError::Unreachable { attempts, .. } => {
            if attempts.iter().any(|(_, error)| is_target_error(error)) {
                Scope::All
            } else {
                Scope::ThisServer
            }
        }
        // The time of the client is nearly up as well.
        _ => Scope::All,
    };
    let reason = match error {
        ConnectError::Refused(reason) => reason.clone(),
        error => error_chain(error),
    };
    (reason, scope)
}

/// Returns true if the target itself has caused the error.
fn is_target_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut)
}
