//! The connection to NATS, which is made again whenever it is lost.
//!
//! | module | content |
//! |---|---|
//! | [`options`] | address, credential and TLS settings |
//! | [`url`] | URLs, and the credentials in them |
//! | [`check`] | validation of both |
//! | [`choose`] | choice of the server |
//! | [`first`] | the first connection, and errors of it |
//! | [`limit`] | limit for the size of messages |
//! | [`probe`] | measurement of that limit |
//! | [`login`] | credentials, read again at each connect |
//! | [`settings`] | settings of async-nats |
//! | [`events`] | events of async-nats: the status and the log |

mod check;
mod choose;
mod credential;
mod error;
mod events;
mod first;
mod limit;
mod login;
mod options;
mod probe;
mod settings;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

pub use self::credential::Credential;
pub use self::error::LinkError;
use self::error::one_line;
pub use self::events::Status;
use self::events::{Observer, Shared};
pub(crate) use self::limit::MIN_MESSAGE;
pub use self::options::{NatsOptions, Tls};
pub use self::url::{InvalidUrl, NatsUrl};
use crate::permissions::{Needs, Permission, PermissionTracker};

/// Time limit for [`NatsConnection::close`].
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A NATS connection. When it is lost, it is made again with its subscriptions, for an unlimited time. Messages that
/// were published in the meantime may be lost. It ends when the last clone and the last subscription are dropped.
#[derive(Clone)]
pub struct NatsConnection {
    shared: Arc<Shared>,
}

impl NatsConnection {
    /// Connects. Retries for [`NatsOptions::first_connect_timeout`] if no server answers.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`NatsOptions::check`], refused credentials and failures of TLS immediately. Returns an
    /// error after the timeout if no server has answered.
    pub async fn connect(options: &NatsOptions) -> Result<Self, LinkError> {
        options.check()?;
        let observer = Arc::new(Observer::new(options.max_message));
        let client = first::connect(options, &observer).await?;
        let max_payload = client.max_payload().min(observer.limit.get());
        if max_payload < MIN_MESSAGE {
            return Err(LinkError::MaxPayload {
                urls: options.shown_urls(),
                max_payload,
                needed: MIN_MESSAGE,
            });
        }
        let server = client.server_info();
        info!(
            url = %options.shown_urls(),
            server = server.server_name,
            version = server.version,
            max_message = max_payload,
            "connected to NATS"
        );
        let shared = Arc::new(Shared {
            client,
            observer,
            inbox_prefix: options.inbox_prefix.clone(),
            urls: options.shown_urls(),
        });
        shared.observer.watch(&shared);
        Ok(Self { shared })
    }

    /// Returns true if there is a connection, as far as is known. A server that hangs is detected after 12 s.
    pub fn is_up(&self) -> bool {
        self.shared.observer.status.borrow().is_up && self.client().connection_state() == State::Connected
    }

    /// Returns the status and its changes. Two losses in a row may show as one: compare [`connects`](Status::connects).
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.observer.status.subscribe()
    }

    /// Waits until the server has processed all subscriptions and messages so far, which async-nats' `flush` does not.
    /// It publishes an empty message to `to`, a subject without subscribers, with the reply subject `back`. NATS then
    /// reports that there are no responders, and it processes the commands of a connection in order.
    ///
    /// Returns true if the report arrived within `within` and over the same connection.
    pub async fn flush_confirmed(&self, to: String, back: String, within: Duration) -> bool {
        let connects = self.shared.connects();
        let answer = async {
            let mut answers = self.client().subscribe(back.clone()).await.ok()?;
            self.client().publish_with_reply(to, back, Bytes::new()).await.ok()?;
            answers.next().await
        };
        let answered = timeout(within, answer).await.is_ok_and(|answer| answer.is_some());
        answered && self.shared.connects() == connects
    }

    /// Unsubscribes everything and ends the connection for all clones. The messages that were published last may not
    /// have been sent. A connection that is down ends when the last clone is dropped.
    pub async fn close(&self) {
        let ended = async {
            if self.client().drain().await.is_ok() {
                let _ = self.status().wait_for(|status| !status.is_up).await;
            }
        };
        if timeout(CLOSE_TIMEOUT, ended).await.is_err() {
            warn!(timeout_ms = CLOSE_TIMEOUT.as_millis(), "the NATS connection did not end in time");
        }
    }

    /// Sets the role of the program on NATS. From now on, permissions for it that NATS refuses are
    /// [missing](Self::missing_permissions). Only the first call has an effect.
    pub fn require(&self, needs: &Needs) {
        self.permissions().require(needs.permissions(&self.shared.inbox_prefix));
    }

    /// As [`Self::require`]. A server also requires the permission to publish to inboxes with the prefix of this link, which
    /// is correct only if its clients have the same prefix.
    pub fn require_with_replies(&self, needs: &Needs) {
        self.permissions().require(needs.permissions_with_replies(&self.shared.inbox_prefix));
    }

    /// Returns the [required](Self::require) permissions.
    pub fn needed_permissions(&self) -> Vec<Permission> {
        self.permissions().needed().to_vec()
    }

    /// Describes the server that the link is connected to, without credentials. The control characters of its name are
    /// escaped.
    pub fn server(&self) -> String {
        let server = self.client().server_info();
        let (name, version) = (one_line(&server.server_name), one_line(&server.version));
        format!("{name}, version {version}, at {}", self.shared.urls)
    }

    /// Returns the [required](Self::require) permissions that NATS refused when they were last used.
    pub fn missing_permissions(&self) -> Vec<Permission> {
        self.permissions().missing().borrow().iter().cloned().collect()
    }

    /// Returns true if NATS refuses more subscriptions because there are too many, so that new sessions fail.
    pub fn is_out_of_subscriptions(&self) -> bool {
        self.permissions().is_full()
    }

    /// Returns the number of errors that NATS has reported.
    pub fn errors(&self) -> u64 {
        self.shared.observer.errors.load(Ordering::Relaxed)
    }

    /// Returns the permissions and subscriptions that NATS has refused on this connection.
    pub(crate) fn permissions(&self) -> &Arc<PermissionTracker> {
        &self.shared.observer.permissions
    }

    /// Returns the size of the longest message that may be published now, in bytes. It may be
    /// [too small for sessions](Self::message_limit_problem).
    pub fn max_message(&self) -> usize {
        self.shared.max_message()
    }

    /// Returns why sessions are not possible if NATS only accepts messages that are too short for them.
    pub fn message_limit_problem(&self) -> Option<String> {
        let max_message = self.max_message();
        (max_message < MIN_MESSAGE).then(|| match max_message {
            0 => format!("NATS refuses messages of {MIN_MESSAGE} bytes"),
            _ => {
                format!("NATS accepts messages of up to {max_message} bytes, and {MIN_MESSAGE} are required")
            }
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }
}

impl fmt::Debug for NatsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConnection").field("status", &*self.status().borrow()).finish_non_exhaustive()
    }
}
