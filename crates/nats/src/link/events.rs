//! Events of async-nats about its connection: the status that sessions watch, and the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ClientError, ConnectErrorKind, Event, Server, ServerError};
use fault_proxy_relay::Throttle;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::limit::{MIN_MESSAGE, PayloadLimit};
use crate::permissions::PermissionTracker;
use crate::throttle::RareWarning;

/// State of the connection, and the number of connections so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// There is a connection.
    pub is_up: bool,
    /// Number of connections so far, including the first one. If it has grown, messages may be lost.
    pub connects: u64,
}

/// State that the clones of a connection and its observer share.
pub(crate) struct Shared {
    pub(super) client: Client,
    pub(super) observer: Arc<Observer>,
    pub(super) inbox_prefix: String,
    /// The URLs without credentials.
    pub(super) urls: String,
}

impl Shared {
    pub(super) fn max_message(&self) -> usize {
        self.observer.limit.get().min(self.client.max_payload())
    }

    /// Returns the number of connections so far, including the first one.
    pub(super) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }
}

/// The end of a longer outage is logged even if its begin was not.
const MAX_SILENT_OUTAGE: Duration = Duration::from_secs(1);

/// Turns events into the status and the log.
pub(super) struct Observer {
    pub(super) limit: PayloadLimit,
    pub(super) status: watch::Sender<Status>,
    /// Empty until the first connection is made.
    link: OnceLock<Weak<Shared>>,
    log: Mutex<Log>,
    pub(super) permissions: Arc<PermissionTracker>,
    pub(super) errors: AtomicU64,
}

#[derive(Default)]
struct Log {
    /// Number of connections so far, and the one on which NATS last refused a message that counted.
    connects: u64,
    refused_on: Option<u64>,
    lost_at: Option<Instant>,
    lost_by_error: RareWarning,
    refused_messages: RareWarning,
    is_loss_logged: bool,
    /// True if this program causes the end of the connection.
    is_expected: bool,
    /// Maximum size of a message when it was last logged.
    max_message: Option<usize>,
    limits: Throttle,
    /// True if NATS has sent an error on this connection.
    has_error: bool,
    slow: RareWarning,
    server: RareWarning,
    refused: RareWarning,
    failed: RareWarning,
}

impl Observer {
    pub(super) fn new(max_message: usize) -> Self {
        Self {
            limit: PayloadLimit::new(max_message),
            status: watch::Sender::default(),
            link: OnceLock::new(),
            log: Mutex::default(),
            permissions: Arc::default(),
            errors: AtomicU64::default(),
        }
    }

    /// Sets the connection whose state the observer may read from now on.
    pub(super) fn watch(&self, link: &Arc<Shared>) {
        let _ = self.link.set(Arc::downgrade(link));
        self.update(None);
        self.report_limit();
    }

    pub(super) fn see(&self, event: &Event) {
        // Before the status changes, because tasks that watch it may need the reason why a connection has ended.
        self.record(event);
        self.update(Some(event));
        self.report_limit();
    }

    fn record(&self, event: &Event) {
        if let Event::ServerError(error) = event {
            self.errors.fetch_add(1, Ordering::Relaxed);
            if let ServerError::Other(text) = error
                && self.permissions.on_error(text)
            {
                return;
            }
        }
        self.log_event(event);
    }

    /// Records that the program is about to end the connection to make a new one.
    pub(super) fn expect_reconnect(&self) {
        self.log.lock().is_expected = true;
    }

    /// Logs a change of the maximum message size. A change soon after another one is logged by a later call, unless it
    /// decides whether sessions are possible.
    pub(super) fn report_limit(&self) {
        let Some(link) = self.link.get().and_then(Weak::upgrade) else { return };
        let max_message = link.max_message();
        let mut log = self.log.lock();
        let before = *log.max_message.get_or_insert(max_message);
        let is_decisive = (max_message < MIN_MESSAGE) != (before < MIN_MESSAGE);
        if max_message == before || (log.limits.pass(Instant::now(), "").is_none() && !is_decisive) {
            return;
        }
        log.max_message = Some(max_message);
        if max_message < MIN_MESSAGE {
            warn!(
                max_message,
                before,
                needed = MIN_MESSAGE,
                "NATS message limit is too small for sessions; raise max_payload or the payload limit of the account or user"
            );
        } else {
            info!(max_message, before, "NATS message limit changed");
        }
    }

    /// Updates the status. async-nats drops events when 128 of them wait, so any event is an occasion to read the state
    /// of the connection. `Connected` and `Disconnected` are used directly, because they arrive just before that state
    /// changes.
    fn update(&self, event: Option<&Event>) {
        let link = self.link.get().and_then(Weak::upgrade);
        self.status.send_if_modified(|status| {
            let before = *status;
            if let Some(link) = &link {
                status.connects = link.connects();
            }
            match event {
                Some(Event::Connected) => status.is_up = true,
                Some(Event::Disconnected | Event::Closed) => status.is_up = false,
                _ => {
                    if let Some(link) = &link {
                        status.is_up = link.client.connection_state() == State::Connected;
                    }
                }
            }
            *status != before
        });
    }

    fn log_event(&self, event: &Event) {
        let now = Instant::now();
        let mut log = self.log.lock();
        log.has_error |= matches!(event, Event::ServerError(_));
        match event {
            Event::Connected => {
                log.connects += 1;
                log.has_error = false;
                let after = log.lost_at.take().map(|lost_at| now - lost_at);
                if let Some(after) = after.filter(|after| log.is_loss_logged || *after > MAX_SILENT_OUTAGE) {
                    info!(after_ms = after.as_millis(), "connected to NATS again");
                }
            }
            Event::Disconnected => {
                log.lost_at = Some(now);
                if std::mem::take(&mut log.is_expected) {
                    log.is_loss_logged = false;
                    return;
                }
                // The cause that has ended the connection may end the next one as well.
                let more = if log.has_error { log.lost_by_error.pass() } else { Some(0) };
                log.is_loss_logged = more.is_some();
                match more {
                    Some(0) => warn!("the connection to NATS is lost, connecting again"),
                    Some(more) => warn!(more, "the connection to NATS is lost, connecting again"),
                    None => {}
                }
            }
            Event::LameDuckMode => info!("the NATS server is about to shut down"),
            Event::Draining | Event::Closed => debug!("the connection to NATS ends"),
            Event::SlowConsumer(_) => {
                if let Some(more) = log.slow.pass() {
                    warn!(more, "messages of NATS were dropped, because a session did not read them in time");
                }
            }
            Event::ServerError(error) if is_too_long(error) => self.on_refusal(&mut log),
            Event::ServerError(error) => {
                if let Some(more) = log.server.pass() {
                    warn!(%error, more, "NATS reports an error");
                }
            }
            Event::ClientError(error) if is_refused(error) => {
                if let Some(more) = log.refused.pass() {
                    warn!(more, "NATS no longer accepts the credentials, trying again");
                }
            }
            Event::ClientError(error) => debug!(%error, "no connection to NATS yet"),
        }
    }

    /// Logs why servers of the pool could not be connected to. Further warnings are counted.
    pub(super) fn report_failures(&self, pool: &[Server]) {
        for server in pool {
            if let Some(error) = server.last_error.as_ref().filter(|_| server.failed_attempts > 0)
                && let Some(more) = self.log.lock().failed.pass()
            {
                warn!(%server, error, more, "NATS connection failed, trying again");
            }
        }
    }

    /// Handles a refused message, after which the server ends the connection. Messages that were queued by then make it
    /// refuse the next connection as well, which is not a reason for shorter messages.
    fn on_refusal(&self, log: &mut Log) {
        self.limit.count_refusal();
        let (before, is_probed) = (self.limit.get(), self.limit.is_probed());
        if !is_probed {
            if log.refused_on.is_some_and(|on| on == log.connects || on + 1 == log.connects) {
                return;
            }
            log.refused_on = Some(log.connects);
        }
        self.limit.on_refusal();
        if is_probed && self.limit.get() == before {
            // A longer message was refused in a measurement, which does not change the limit.
            log.is_expected = true;
        } else if let Some(more) = log.refused_messages.pass() {
            warn!(more, "NATS refused a message as too long, sending shorter ones");
        }
    }
}

fn is_refused(error: &ClientError) -> bool {
    let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
    matches!(error, ClientError::Other(text) if kinds.iter().any(|kind| kind.to_string() == *text))
}

fn is_too_long(error: &ServerError) -> bool {
    matches!(error, ServerError::Other(text) if text.to_ascii_lowercase().contains("maximum payload"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_credentials_are_distinguished_from_other_failures() {
        let other = |kind: ConnectErrorKind| ClientError::Other(kind.to_string());
        assert!(is_refused(&other(ConnectErrorKind::AuthorizationViolation)));
        assert!(!is_refused(&other(ConnectErrorKind::Io)));
        assert!(!is_refused(&ClientError::MaxReconnects));
    }
}
