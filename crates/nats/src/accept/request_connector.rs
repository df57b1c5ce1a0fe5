//! Dials what a client asks for.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fault_proxy_relay::{ConnectError, Connected, Connecting, Connector, error_chain};
use tokio::time::{Instant, timeout, timeout_at};

use super::responder::Responder;
use crate::handshake::{self, Encoding, Negotiated, Scope, Target};
use crate::id::SessionId;
use crate::shared::Shared;

/// Clients send a request again after a second without an answer.
const PENDING_DELAY: Duration = Duration::from_millis(500);

/// A session that its client does not know of yet.
#[derive(Debug)]
pub(super) struct PendingSession {
    pub(super) answer: Responder,
    pub(super) id: SessionId,
    pub(super) encoding: Option<Encoding>,
    pub(super) shared: Arc<Shared>,
}

impl PendingSession {
    /// Listens, and then lets the client know.
    async fn open(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Self { answer, id, encoding, shared } = self;
        let tunnels = answer.tunnels.clone();
        shared.lock().core.expect_first_frame(shared.clock.now());
        tunnels.start(&shared).await?;
        let window = shared.lock().core.on_opening(shared.clock.now());
        let sender = tunnels.end_info();
        let agreed = encoding.map(|encoding| Negotiated { encoding, window, sender });
        let bounce = agreed.map(|_| shared.subjects.local.clone());
        answer.send(handshake::opened(&id, agreed), bounce).await?;
        Ok(())
    }
}

/// Dials what a client asks for, once, and answers it.
#[derive(Debug)]
pub(super) struct RequestConnector {
    pub(super) target: Target,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) opening: Mutex<Option<PendingSession>>,
    /// How long the client waits, and until when.
    pub(super) wait: Option<(Duration, Instant)>,
}

impl RequestConnector {
    async fn dial(&self, answer: &Responder) -> Result<Connected, ConnectError> {
        let dial = async {
            let mut dial = pin!(self.connector.connect());
            if let Ok(connected) = timeout(PENDING_DELAY, &mut dial).await {
                return connected;
            }
            answer.send_pending();
            dial.await
        };
        let Some((wait, until)) = self.wait else { return dial.await };
        let gone =
            || ConnectError::TimedOut { target: self.target.to_string(), after: wait, attempts: Vec::new() };
        if until <= Instant::now() {
            return Err(gone());
        }
        timeout_at(until, dial).await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Connector for RequestConnector {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner).take();
            let opening = opening.ok_or_else(|| ConnectError::Refused("asked for once only".to_owned()))?;
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

/// Which reason a client gets that was not connected, and whether it is to ask another server.
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
        // The client's time is nearly up as well.
        _ => Scope::All,
    };
    let reason = match error {
        ConnectError::Refused(reason) => reason.clone(),
        error => error_chain(error),
    };
    (reason, scope)
}

/// True if the target itself has caused the error.
fn is_target_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut)
}
