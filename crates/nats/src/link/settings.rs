//! Settings of async-nats.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use parking_lot::Mutex;

use super::choose::{CONNECT_TIMEOUT, Chooser, reconnect_delay};
use super::events::Observer;
use super::login::Login;
use super::{LinkError, NatsOptions};

/// async-nats closes a connection at the third ping without an answer, after 12 s of silence. That is more than the 10
/// s for which a NATS server may delay a publisher before it disconnects the subscriber that is too slow.
const PING_INTERVAL: Duration = Duration::from_secs(4);

/// Maximum number of commands that wait for the socket. Beyond it, `publish` waits. If NATS lowers its limit for the size
/// of messages, it ends a connection for each longer message that is already in this queue.
const QUEUED_COMMANDS: usize = 32;

/// Returns the options of async-nats. The others keep their defaults: 65,536 messages may wait in a subscription,
/// servers of the cluster are discovered, and reconnecting does not end.
pub(super) fn connect_options(
    options: &NatsOptions,
    observer: &Arc<Observer>,
) -> Result<ConnectOptions, LinkError> {
    let [observer, failures, logins] = [(); 3].map(|()| Arc::clone(observer));
    let name = options.name.clone();
    let chooser = Chooser { name: name.clone(), tls_first: options.tls.first };
    let short = ShortConnections::default();
    let login = Arc::new(Login::new(options)?);
    let answer = move |nonce: Vec<u8>| {
        let (login, logins) = (Arc::clone(&login), Arc::clone(&logins));
        async move {
            let auth = login.auth(&nonce)?;
            logins.limit.on_login(auth.jwt.as_deref());
            Ok(auth)
        }
    };
    let settings = ConnectOptions::with_auth_callback(answer)
        .name(&options.name)
        .custom_inbox_prefix(&options.inbox_prefix)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_TIMEOUT)
        .client_capacity(QUEUED_COMMANDS)
        .reconnect_delay_callback(move |attempt| {
            reconnect_delay(&name, attempt + short.before(attempt, Instant::now()))
        })
        .reconnect_to_server_callback(move |pool, last| {
            failures.report_failures(&pool);
            chooser.clone().choose(pool, !last.server_id.is_empty())
        })
        .event_callback(move |event| {
            let observer = Arc::clone(&observer);
            async move { observer.see(&event) }
        })
        .require_tls(options.is_tls_required());
    let settings = if options.tls.first { settings.tls_first() } else { settings };
    let settings = match &options.tls.config {
        Some(config) => settings.tls_client_config(config.clone()),
        None => settings,
    };
    // Clusters announce the host and port of WebSockets without a scheme, so async-nats would assume nats://.
    let is_websocket = options.urls.iter().any(|url| url.server().is_websocket());
    Ok(if options.ignore_discovered_servers || is_websocket {
        settings.ignore_discovered_servers()
    } else {
        settings
    })
}

/// A connection that ends within this time may end for the same reason as the previous one.
const SHORT: Duration = Duration::from_secs(2);

/// Counts connections in a row that ended soon. An error that follows each reconnect must not keep the server and this
/// program busy.
#[derive(Default)]
struct ShortConnections(Mutex<(Option<Instant>, usize)>);

impl ShortConnections {
    /// Returns how many there were before this attempt to connect again. Attempts count from 1 for each loss.
    fn before(&self, attempt: usize, now: Instant) -> usize {
        let mut counted = self.0.lock();
        let (last, short) = &mut *counted;
        if attempt <= 1 {
            let is_short = last.is_some_and(|last| now.saturating_duration_since(last) < SHORT);
            *short = if is_short { *short + 1 } else { 0 };
        }
        *last = Some(now);
        *short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_end_at_once_are_made_again_later_and_later() {
        let (short, start) = (ShortConnections::default(), Instant::now());
        for count in 0..5 {
            assert_eq!(short.before(1, start + SHORT / 2 * count), count as usize);
        }
        assert_eq!(short.before(2, start + SHORT * 3), 4);
        assert_eq!(short.before(1, start + SHORT * 4), 0);
    }
}
