//! Choice of the server to connect to: the first one that answers.
//!
//! async-nats tries one address after the other, and waits five seconds for each that does not answer. A cluster behind
//! NAT or in containers announces many of them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_nats::{ReconnectToServer, Server, ServerAddr};
use futures_util::future::select_ok;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Time limit for TCP, TLS and the server's greeting, per address.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum delay between two attempts to connect again.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Delay between the starts of two probes, so that the others are not probed if an address answers.
const STAGGER: Duration = Duration::from_millis(50);

/// Maximum delay before an address is probed, however many there are.
const MAX_STAGGER: Duration = Duration::from_secs(1);

/// Finds the server to connect to.
#[derive(Clone)]
pub(super) struct Chooser {
    /// Name of the connection, from which the delays are derived.
    pub(super) name: String,
    /// True if the server is silent until TLS begins.
    pub(super) tls_first: bool,
}

type Probe = Pin<Box<dyn Future<Output = io::Result<ServerAddr>> + Send + Sync>>;

impl Chooser {
    /// Returns the first server that answers. After a loss, it probes until one does. Before the first connection, it
    /// returns `None` if none answers; async-nats then reports the reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes its connections.
    pub(super) async fn choose(self, pool: Vec<Server>, was_connected: bool) -> Option<ReconnectToServer> {
        if pool.len() < 2 {
            return None;
        }
        let probes: Vec<Probe> = in_order(pool)
            .into_iter()
            .zip(0..)
            .map(|(addr, place)| {
                let start = MAX_STAGGER.min(STAGGER * place);
                Box::pin(self.clone().probe(addr, start, was_connected)) as Probe
            })
            .collect();
        let (addr, _) = select_ok(probes).await.ok()?;
        // A server that answers and then refuses the login is tried again after the usual delay.
        Some(ReconnectToServer { addr, delay: None })
    }

    async fn probe(self, addr: ServerAddr, start: Duration, again: bool) -> io::Result<ServerAddr> {
        sleep(start).await;
        let mut attempt = 1;
        loop {
            let answer = timeout(CONNECT_TIMEOUT, answers(&addr, self.tls_first)).await;
            match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Err(_) if again => {}
                answer => return answer.map(|()| addr),
            }
            attempt += 1;
            sleep(reconnect_delay(&self.name, attempt)).await;
        }
    }
}

/// Sorts the servers: fewer failures first, then given before announced, then at random.
fn in_order(mut pool: Vec<Server>) -> Vec<ServerAddr> {
    let chance = RandomState::new();
    pool.sort_by_cached_key(|server| {
        (server.failed_attempts, server.is_discovered, chance.hash_one(server.addr.as_url_str()))
    });
    pool.into_iter().map(|server| server.addr).collect()
}

/// Waits for the server's greeting. If TLS or a WebSocket comes before it, a TCP connection is enough.
async fn answers(addr: &ServerAddr, tls_first: bool) -> io::Result<()> {
    let mut stream = TcpStream::connect((addr.host(), addr.port())).await?;
    if tls_first || addr.is_websocket() {
        return Ok(());
    }
    let mut word = [0; 4];
    stream.read_exact(&mut word).await?;
    if word.eq_ignore_ascii_case(b"INFO") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Returns the delay before an attempt: none at first, then 10 ms, doubling to 1 s. It is reduced by up to a quarter,
/// depending on the connection's name, so that connections that were lost together do not return at the same time.
pub(super) fn reconnect_delay(name: &str, attempt: usize) -> Duration {
    let Some(doublings) = attempt.checked_sub(2) else { return Duration::ZERO };
    let doublings = u32::try_from(doublings.min(16)).expect("16 is a u32");
    let delay = MAX_DELAY.min(Duration::from_millis(10) * 2_u32.pow(doublings));
    let mut hasher = DefaultHasher::new();
    (name, attempt).hash(&mut hasher);
    let spread = u32::try_from(hasher.finish() % 256).expect("a byte is a u32");
    delay - delay / 1024 * spread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, failed_attempts: usize, is_discovered: bool) -> Server {
        let addr = url.parse().unwrap();
        Server { addr, failed_attempts, did_connect: false, is_discovered, last_error: None }
    }

    #[test]
    fn servers_that_were_given_go_first_until_they_fail() {
        let order = |pool| in_order(pool).iter().map(|addr| addr.host().to_owned()).collect::<Vec<_>>();
        let announced = || server("announced", 0, true);
        assert_eq!(order(vec![announced(), server("given", 0, false)]), ["given", "announced"]);
        assert_eq!(order(vec![announced(), server("given", 1, false)]), ["announced", "given"]);
    }

    #[test]
    fn delays_grow_to_a_second_and_differ_between_names() {
        assert_eq!(reconnect_delay("a", 0), Duration::ZERO);
        assert_eq!(reconnect_delay("a", 1), Duration::ZERO);
        for attempt in 2..200 {
            let longest = Duration::from_millis(10 << (attempt - 2).min(7)).min(MAX_DELAY);
            let delay = reconnect_delay("a", attempt);
            assert!(delay <= longest && delay >= longest * 3 / 4, "{attempt}: {delay:?}");
        }
        assert!((2..20).any(|attempt| reconnect_delay("a", attempt) != reconnect_delay("b", attempt)));
        assert!(reconnect_delay("a", usize::MAX) <= MAX_DELAY);
    }
}
