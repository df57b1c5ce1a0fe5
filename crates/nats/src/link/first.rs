//! The first connection: attempts for a limited time.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, rustls};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::events::Observer;
use super::{LinkError, NatsOptions, NatsUrl, settings};

/// Delay between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes the first connection. A service may start before its NATS, so refused connections and unknown names are tried
/// again. Problems that only the user can solve are returned immediately. A server that does not send its greeting may
/// wait for TLS, so TLS is tried next.
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
            // A server that was only slow does not use TLS first, so the guess was wrong.
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
            warn!(url = %urls, reason, attempts, timeout_ms = within.as_millis(), "no NATS yet, trying again");
            reported = Some(reason);
        }
        sleep(PAUSE).await;
    }
}

/// Returns the source of the error, which has more detail than its kind, if there is one.
fn reason(error: &ConnectError) -> String {
    if let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(reason))) = tls_error(error)
    {
        // rustls shows it in the syntax of Rust.
        return format!("invalid peer certificate: {reason}");
    }
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn io_error(error: &ConnectError) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// Returns the error of a failed handshake, which async-nats returns as an I/O error.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    io_error(error).and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref())
}

/// Returns true if TLS failed with a server that uses TLS.
fn is_tls_peer(error: &ConnectError) -> bool {
    tls_error(error).is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_)))
}

/// Returns true if the connection was open and no greeting arrived. nats-server closes it in this case.
fn is_silent(error: &ConnectError) -> bool {
    error.kind() == ConnectErrorKind::TimedOut || reason(error).ends_with("got nothing")
}

/// Returns how to solve the problem.
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
