//! The first connection: tried for a while, then given up with a reason.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, rustls};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::events::Observer;
use super::{LinkError, NatsOptions, NatsUrl, settings};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// A service may start before its NATS, so refused connections and unknown names are tried again. What only a
/// person can put right ends it. A server that says nothing may wait for TLS, so that is tried next.
pub(super) async fn connect(options: &NatsOptions, observer: &Arc<Observer>) -> Result<Client, LinkError> {
    let servers: Vec<_> = options.urls.iter().map(NatsUrl::server).cloned().collect();
    let (urls, within) = (options.shown_urls(), options.first_connect_timeout);
    let start = Instant::now();
    let mut tried = options.clone();
    let mut reported = None;
    let mut attempts = 0;
    loop {
        let is_guess = tried.tls.first && !options.tls.first;
        let error = match settings::connect_options(&tried, observer)?.connect(servers.as_slice()).await {
            Ok(client) => {
                if is_guess {
                    info!(url = %urls, "the NATS server was silent and accepts TLS first; set --nats-tls-first to start so");
                }
                return Ok(client);
            }
            Err(error) => error,
        };
        attempts += 1;
        let reason = reason(&error);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let credential = options.the_credential()?.refused();
                return Err(LinkError::Refused { urls, credential });
            }
            // A server that was only slow speaks in clear: then the guess was wrong.
            _ if is_guess && !is_tls_peer(&error) => {}
            ConnectErrorKind::Tls => return Err(LinkError::Tls { urls, reason }),
            _ if tls_error(&error).is_some() => return Err(LinkError::Tls { urls, reason }),
            _ => {}
        }
        tried.tls.first = options.tls.first || (!is_guess && is_silent(&error));
        if tried.tls.first && !options.tls.first {
            continue;
        }
        if start.elapsed() >= within {
            let hint = hint(&error, &reason);
            return Err(LinkError::Unreachable { urls, within, attempts, reason, hint });
        }
        if reported.as_ref() != Some(&reason) {
            warn!(url = %urls, reason, attempts, "no NATS yet, trying for {within:?}");
            reported = Some(reason);
        }
        sleep(PAUSE).await;
    }
}

/// The cause, if there is one, has more detail than the kind.
fn reason(error: &ConnectError) -> String {
    if let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(reason))) = tls_error(error)
    {
        // rustls shows it as code.
        return format!("invalid peer certificate: {reason}");
    }
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn io_error(error: &ConnectError) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// A failed handshake comes as an I/O error.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    io_error(error).and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref())
}

/// Whether what failed was TLS with a server that speaks it.
fn is_tls_peer(error: &ConnectError) -> bool {
    tls_error(error).is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_)))
}

/// The connection was there, and no greeting came. nats-server closes it then.
fn is_silent(error: &ConnectError) -> bool {
    error.kind() == ConnectErrorKind::TimedOut || reason(error).ends_with("got nothing")
}

/// What to do about a failure.
fn hint(error: &ConnectError, reason: &str) -> &'static str {
    let is_refused = io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    match error.kind() {
        ConnectErrorKind::Dns => "check the host name in --nats-url",
        ConnectErrorKind::TimedOut => {
            "nothing answers: check the address in --nats-url and the firewalls on the way"
        }
        _ if is_refused => "start nats-server there or give its URL",
        _ if reason.contains("connections exceeded") => {
            "raise max_connections in the server's configuration or connect to another server"
        }
        _ if reason.contains("expired") => "renew the credentials",
        _ => "check that --nats-url is the address of a NATS server, and look at its log",
    }
}
