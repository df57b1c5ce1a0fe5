//! What async-nats tells about its connection: the status that sessions watch, and the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{ClientError, ConnectErrorKind, Event, Server, ServerError};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Shared;
use super::limit::{MIN_MESSAGE, PayloadLimit};
use crate::rights::Rights;
use crate::throttle::RareWarning;

/// Whether there is a connection, and how often there was one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// There is a connection.
    pub is_up: bool,
    /// Connections so far, the first one included. If it has grown, messages may be lost.
    pub connects: u64,
}

/// The end of a longer outage is logged even if its begin was held back.
const MAX_SILENT_OUTAGE: Duration = Duration::from_secs(1);

/// Turns events into the status and the log.
pub(super) struct Observer {
    limit: PayloadLimit,
    status: watch::Sender<Status>,
    /// Empty while the first connection is made.
    link: OnceLock<Weak<Shared>>,
    log: Mutex<Log>,
    rights: Arc<Rights>,
    errors: AtomicU64,
}

#[derive(Default)]
struct Log {
    /// Connections so far, and the one on which NATS last refused a message that counted.
    connects: u64,
    refused_on: Option<u64>,
    lost_at: Option<Instant>,
    lost_by_error: RareWarning,
    refused_messages: RareWarning,
    is_loss_logged: bool,
    /// NATS has sent an error on this connection.
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
            rights: Arc::default(),
            errors: AtomicU64::default(),
        }
    }

    pub(super) fn limit(&self) -> &PayloadLimit {
        &self.limit
    }

    /// From now on the connection itself can be asked.
    pub(super) fn watch(&self, link: &Arc<Shared>) {
        let _ = self.link.set(Arc::downgrade(link));
        self.update(None);
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn rights(&self) -> &Arc<Rights> {
        &self.rights
    }

    pub(super) fn is_up(&self) -> bool {
        self.status.borrow().is_up
    }

    pub(super) fn see(&self, event: &Event) {
        self.update(Some(event));
        if let Event::ServerError(error) = event {
            self.errors.fetch_add(1, Ordering::Relaxed);
            if let ServerError::Other(text) = error
                && self.rights.on_error(text)
            {
                return;
            }
        }
        self.tell(event);
    }

    /// Events are lost when 128 of them wait, so each of them, whatever it says, is an occasion to look at the
    /// connection. `Connected` and `Disconnected` are believed: they come just before the connection's own state.
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

    fn tell(&self, event: &Event) {
        let now = Instant::now();
        let mut log = self.log();
        log.has_error |= matches!(event, Event::ServerError(_));
        match event {
            Event::Connected => {
                log.connects += 1;
                log.has_error = false;
                let after = log.lost_at.take().map(|lost_at| now - lost_at);
                if let Some(after) = after.filter(|after| log.is_loss_logged || *after > MAX_SILENT_OUTAGE) {
                    info!(?after, "connected to NATS again");
                }
            }
            Event::Disconnected => {
                log.lost_at = Some(now);
                // A reason to end a connection may come back as soon as there is another one.
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
                    warn!(more, "messages of NATS were dropped: a session did not take them in time");
                }
            }
            Event::ServerError(error) if is_too_long(error) => self.on_refusal(&mut log),
            Event::ServerError(error) => {
                if let Some(more) = log.server.pass() {
                    warn!(more, "NATS says: {error}");
                }
            }
            Event::ClientError(error) if is_refused(error) => {
                if let Some(more) = log.refused.pass() {
                    warn!(more, "NATS no longer accepts our credentials; trying on");
                }
            }
            Event::ClientError(error) => debug!("no connection to NATS yet: {error}"),
        }
    }

    /// Logs why servers of the pool could not be connected to, once and then with a count.
    pub(super) fn report_failures(&self, pool: &[Server]) {
        for server in pool {
            if let Some(error) = server.last_error.as_ref().filter(|_| server.failed_attempts > 0)
                && let Some(more) = self.log().failed.pass()
            {
                warn!(%server, error, more, "NATS connection failed, trying again");
            }
        }
    }

    /// The server has refused a message and ends the connection. What was queued by then makes it refuse the next connection as well,
    /// which is not a reason for shorter messages.
    fn on_refusal(&self, log: &mut Log) {
        let is_left_over = log.refused_on.is_some_and(|on| on == log.connects || on + 1 == log.connects);
        if is_left_over && !self.limit.is_probed() {
            return;
        }
        log.refused_on = Some(log.connects);
        self.limit.on_refusal();
        match (self.limit.get(), log.refused_messages.pass()) {
            (0, Some(more)) => warn!(
                more,
                needed = MIN_MESSAGE,
                "NATS refuses the shortest messages that sessions need; raise the payload limit of the account or user"
            ),
            (max_message, Some(more)) => {
                warn!(max_message, more, "NATS refused a message as too long, sending shorter ones");
            }
            (_, None) => {}
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn refused_credentials_are_told_from_other_failures() {
        let other = |kind: ConnectErrorKind| ClientError::Other(kind.to_string());
        assert!(is_refused(&other(ConnectErrorKind::AuthorizationViolation)));
        assert!(!is_refused(&other(ConnectErrorKind::Io)));
        assert!(!is_refused(&ClientError::MaxReconnects));
    }
}
