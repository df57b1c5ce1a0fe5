//! The connection to NATS: made once, kept for ever.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | where NATS is and who we are |
//! | [`url`] | URLs, and the credentials in them |
//! | [`check`] | what can be wrong with them |
//! | [`choose`] | which server to connect to |
//! | [`files`] | certificates and keys, checked before use |
//! | [`login`] | what is shown to the server, read again at each connect |
//! | [`settings`] | how async-nats is set up, and why so |
//! | [`events`] | what async-nats tells: the status, the log |

mod check;
mod choose;
mod error;
mod events;
mod files;
mod login;
mod options;
mod settings;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::rustls;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

pub use self::error::LinkError;
use self::events::Observer;
pub use self::events::Status;
pub use self::options::{Credential, NatsOptions, Tls};
pub use self::url::{InvalidUrl, NatsUrl};

/// The pause between two attempts of the first connection.
const FIRST_CONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long [`Link::close`] waits for the connection to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// One NATS connection. When it is lost it is made again, for ever, and its subscriptions with it; what was
/// published meanwhile may be lost. It ends when the last clone and the last subscription are gone.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

/// What the clones share, and what the observer may look at.
pub(crate) struct Shared {
    client: Client,
    observer: Arc<Observer>,
}

impl Link {
    /// Connects, trying for [`NatsOptions::first_connect_within`] while nothing answers.
    ///
    /// # Errors
    ///
    /// At once: what [`NatsOptions::check`] finds, refused credentials, TLS that fails. After that time: nothing
    /// answers.
    pub async fn connect(options: &NatsOptions) -> Result<Self, LinkError> {
        options.check()?;
        let observer = Arc::new(Observer::default());
        let settings = settings::of(options, &observer)?;
        let client = first_connect(options, settings).await?;
        let server = client.server_info();
        info!(
            url = %options.shown_urls(),
            server = server.server_name,
            version = server.version,
            "connected to NATS"
        );
        let shared = Arc::new(Shared { client, observer });
        shared.observer.watch(&shared);
        Ok(Self { shared })
    }

    /// Whether there is a connection, as far as is known: a server that hangs is noticed after 12 s.
    pub fn is_up(&self) -> bool {
        self.shared.observer.is_up() && self.client().connection_state() == State::Connected
    }

    /// The status and its changes. Two losses in a row may show as one: compare
    /// [`connects`](Status::connects).
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.observer.status()
    }

    /// Waits until the server has taken all subscriptions and messages so far, which async-nats' `flush` does not. An empty
    /// message goes to `to`, where nobody listens, with `back` for the answer that says so; the server takes a connection's
    /// commands in order.
    ///
    /// Returns whether the answer came within that time and over the connection it was asked on.
    pub async fn settle(&self, to: String, back: String, within: Duration) -> bool {
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
        if timeout(CLOSE_WITHIN, ended).await.is_err() {
            warn!("the NATS connection did not end in time");
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }
}

impl Shared {
    /// Since the start, the first one included.
    fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("status", &*self.status().borrow()).finish_non_exhaustive()
    }
}

/// A service may start before its NATS, so refused connections and unknown names are tried again. What only a
/// person can put right ends it.
async fn first_connect(options: &NatsOptions, settings: ConnectOptions) -> Result<Client, LinkError> {
    let servers: Vec<_> = options.urls.iter().map(NatsUrl::server).cloned().collect();
    let (urls, within) = (|| options.shown_urls(), options.first_connect_within);
    let start = Instant::now();
    let mut warned = false;
    loop {
        let error = match settings.clone().connect(servers.as_slice()).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let credential = options.the_credential()?.refused();
                return Err(LinkError::Refused { urls: urls(), credential });
            }
            ConnectErrorKind::Tls => return Err(LinkError::Tls { urls: urls(), reason: reason(&error) }),
            _ if is_tls(&error) => return Err(LinkError::Tls { urls: urls(), reason: reason(&error) }),
            _ => {}
        }
        if start.elapsed() >= within {
            return Err(LinkError::Unreachable { urls: urls(), within, reason: reason(&error) });
        }
        if !warned {
            warn!(url = %urls(), reason = reason(&error), "no NATS yet, trying for {within:?}");
            warned = true;
        }
        sleep(FIRST_CONNECT_PAUSE).await;
    }
}

/// The kind says little when there is a cause.
fn reason(error: &ConnectError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// A failed handshake comes as an I/O error.
fn is_tls(error: &ConnectError) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| inner.is::<rustls::Error>())
}
