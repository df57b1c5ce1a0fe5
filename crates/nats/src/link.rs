//! The connection to NATS: made once, kept for ever.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | where NATS is and who we are |
//! | [`url`] | URLs, and the credentials in them |
//! | [`check`] | what can be wrong with them |
//! | [`choose`] | which server to connect to |
//! | [`first`] | the first connection, and why it failed |
//! | [`limit`] | how long messages may be |
//! | [`probe`] | finding out how long they may be |
//! | [`login`] | what is shown to the server, read again at each connect |
//! | [`settings`] | how async-nats is set up, and why so |
//! | [`events`] | what async-nats tells: the status, the log |

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
pub use self::events::Status;
use self::events::{Observer, Shared};
pub(crate) use self::limit::MIN_MESSAGE;
pub use self::options::{NatsOptions, Tls};
pub use self::url::{InvalidUrl, NatsUrl};
use crate::rights::{Needs, Right, Rights};

/// How long [`NatsConnection::close`] waits for the connection to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One NATS connection. When it is lost it is made again, for ever, and its subscriptions with it; what was
/// published meanwhile may be lost. It ends when the last clone and the last subscription are gone.
#[derive(Clone)]
pub struct NatsConnection {
    shared: Arc<Shared>,
}

impl NatsConnection {
    /// Connects, trying for [`NatsOptions::first_connect_timeout`] while nothing answers.
    ///
    /// # Errors
    ///
    /// At once: what [`NatsOptions::check`] finds, refused credentials, TLS that fails. After that time: nothing
    /// answers.
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

    /// Whether there is a connection, as far as is known: a server that hangs is noticed after 12 s.
    pub fn is_up(&self) -> bool {
        self.shared.observer.status.borrow().is_up && self.client().connection_state() == State::Connected
    }

    /// The status and its changes. Two losses in a row may show as one: compare
    /// [`connects`](Status::connects).
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.observer.status.subscribe()
    }

    /// Waits until the server has taken all subscriptions and messages so far, which async-nats' `flush` does not. An empty
    /// message goes to `to`, where nobody listens, with `back` for the answer that says so; the server takes a connection's
    /// commands in order.
    ///
    /// Returns whether the answer came within that time and over the connection it was asked on.
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

    /// Unsubscribes everything and ends the connection, for all clones. What was published last may not have left. A
    /// connection that is down ends when the last clone is gone.
    pub async fn close(&self) {
        let ended = async {
            if self.client().drain().await.is_ok() {
                let _ = self.status().wait_for(|status| !status.is_up).await;
            }
        };
        if timeout(CLOSE_TIMEOUT, ended).await.is_err() {
            warn!("the NATS connection did not end in time");
        }
    }

    /// Sets what the program does on NATS. From now on, rights for it that NATS refuses are [missing](Self::missing_rights).
    /// The first call counts.
    pub fn require(&self, needs: &Needs) {
        self.rights().require(needs.rights(&self.shared.inbox_prefix));
    }

    /// As [`Self::require`]. A server also requires the right to publish to inboxes with the prefix of this link, which is right
    /// only if its clients have the same prefix.
    pub fn require_with_replies(&self, needs: &Needs) {
        self.rights().require(needs.rights_with_replies(&self.shared.inbox_prefix));
    }

    /// Returns the [required](Self::require) rights.
    pub fn needed_rights(&self) -> Vec<Right> {
        self.rights().needed().to_vec()
    }

    /// Describes the server that the link is connected to, without credentials.
    pub fn server(&self) -> String {
        let server = self.client().server_info();
        format!("{}, version {}, at {}", server.server_name, server.version, self.shared.urls)
    }

    /// Returns the [required](Self::require) rights that NATS has refused when they were used last.
    pub fn missing_rights(&self) -> Vec<Right> {
        self.rights().missing().borrow().iter().cloned().collect()
    }

    /// Whether NATS refuses more subscriptions because there are too many, so that new sessions fail.
    pub fn is_out_of_subscriptions(&self) -> bool {
        self.rights().is_full()
    }

    /// How many errors NATS has reported.
    pub fn errors(&self) -> u64 {
        self.shared.observer.errors.load(Ordering::Relaxed)
    }

    /// Rights and subscriptions that NATS has refused on this connection.
    pub(crate) fn rights(&self) -> &Arc<Rights> {
        &self.shared.observer.rights
    }

    /// Returns the size of the longest message that may be published now, in bytes. It may be
    /// [too small for sessions](Self::message_limit_problem).
    pub fn max_message(&self) -> usize {
        self.shared.max_message()
    }

    /// Returns why no session is possible, if NATS takes only messages that are too short for one.
    pub fn message_limit_problem(&self) -> Option<String> {
        let max_message = self.max_message();
        (max_message < MIN_MESSAGE).then(|| match max_message {
            0 => format!("NATS refuses messages of {MIN_MESSAGE} bytes"),
            _ => format!("NATS takes messages of up to {max_message} bytes, and {MIN_MESSAGE} are required"),
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
