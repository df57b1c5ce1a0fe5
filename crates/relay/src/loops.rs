//! Detection of loops: proxies of one program that connect to each other in a circle.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::warn;

use crate::stream::Peer;
use crate::throttle::Throttle;

const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Recognizes connections between proxies of one program, and loops of such connections. Clones share one state.
///
/// The detector remembers the connections that proxies dial to ports on which a proxy of the program listens. A proxy
/// that accepts such a connection follows the proxy that dialed it. Proxies that follow each other in a circle are a
/// loop; a chain is not. A connection to any other port costs one atomic load.
#[derive(Clone, Default)]
pub struct LoopDetector(Arc<Inner>);

struct Inner {
    /// One bit per port, set if a proxy listens or has listened on the port. A bit that is out of date costs a system
    /// call per session.
    ports: Box<[AtomicU64]>,
    last_proxy: AtomicUsize,
    /// Number of entries in `state.dialed`, which is read without the lock.
    dialed: AtomicUsize,
    state: Mutex<State>,
    log: Throttle,
}

impl Default for Inner {
    fn default() -> Self {
        let ports = (0..=u16::MAX / 64).map(|_| AtomicU64::new(0)).collect();
        Self {
            ports,
            last_proxy: AtomicUsize::new(0),
            dialed: AtomicUsize::new(0),
            state: Mutex::default(),
            log: Throttle::every(LOG_INTERVAL),
        }
    }
}

#[derive(Default)]
struct State {
    /// Open connections, with the proxy that dialed each of them.
    dialed: HashMap<Connection, ProxyPort>,
    /// Number of open sessions of the second proxy that the first one dialed, by the numbers of the two.
    follows: HashMap<(usize, usize), usize>,
}

/// Source address, source port and destination port of a connection.
type Connection = (IpAddr, u16, u16);

/// A proxy that is registered with a [`LoopDetector`].
#[derive(Debug, Clone)]
pub struct ProxyPort {
    detector: LoopDetector,
    number: usize,
    port: u16,
    label: Arc<str>,
}

/// Registration of a connection that a proxy has dialed. Dropping it unregisters the connection.
#[derive(Debug)]
pub struct Dialed {
    detector: LoopDetector,
    connection: Connection,
}

/// Registration of a session whose connection another proxy of the program has dialed. Dropping it unregisters the
/// session.
#[derive(Debug)]
pub(crate) struct Follows {
    detector: LoopDetector,
    from_to: (usize, usize),
}

impl LoopDetector {
    /// Registers a proxy that listens on `port`. `label` is its name in log lines.
    pub fn proxy(&self, label: impl Into<Arc<str>>, port: u16) -> ProxyPort {
        self.0.ports[usize::from(port / 64)].fetch_or(1 << (port % 64), Ordering::Relaxed);
        let number = self.0.last_proxy.fetch_add(1, Ordering::Relaxed);
        ProxyPort { detector: self.clone(), number, port, label: label.into() }
    }

    fn has_port(&self, port: u16) -> bool {
        self.0.ports[usize::from(port / 64)].load(Ordering::Relaxed) & (1 << (port % 64)) != 0
    }
}

impl ProxyPort {
    /// Returns true if warnings were suppressed that [`warn_suppressed`](Self::warn_suppressed) has not written yet.
    pub(crate) fn has_suppressed(&self) -> bool {
        self.detector.0.log.is_counting()
    }

    /// Writes one warning for all loops whose warnings were suppressed, if it is due (see [`Throttle::rest`]). The
    /// loops may be those of other proxies.
    pub(crate) fn warn_suppressed(&self, now: Option<Instant>) {
        if let Some((count, problem)) = self.detector.0.log.rest(now) {
            warn_about_loop(count, &problem);
        }
    }

    /// Registers a connection that this proxy has dialed, if it may lead to one of the program's listeners.
    pub(crate) fn dialed(&self, stream: &TcpStream, to: SocketAddr) -> Option<Dialed> {
        if !self.detector.has_port(to.port()) {
            return None;
        }
        let local = stream.local_addr().ok()?;
        // The source address of a connection within the host is its destination address or another loopback address.
        let to_ip = to.ip().to_canonical();
        let is_within = local.ip().to_canonical() == to_ip || to_ip.is_loopback() || to_ip.is_unspecified();
        is_within.then(|| self.remember(local, to.port()))
    }

    fn remember(&self, local: SocketAddr, port: u16) -> Dialed {
        let connection = (local.ip().to_canonical(), local.port(), port);
        self.detector.0.state.lock().dialed.insert(connection, self.clone());
        self.detector.0.dialed.fetch_add(1, Ordering::Release);
        Dialed { detector: self.detector.clone(), connection }
    }

    /// Registers the session of `peer`, whose connection this proxy has accepted, if another proxy of the program
    /// dialed it.
    ///
    /// # Errors
    /// Describes the loop if the connection closes one.
    pub(crate) fn follows(&self, peer: &Peer) -> Result<Option<Follows>, String> {
        let Peer::Socket(peer) = peer else { return Ok(None) };
        if self.detector.0.dialed.load(Ordering::Acquire) == 0 {
            return Ok(None);
        }
        let mut state = self.detector.0.state.lock();
        let connection = (peer.ip().to_canonical(), peer.port(), self.port);
        let Some(from) = state.dialed.get(&connection).cloned() else { return Ok(None) };
        if state.leads(self.number, from.number) {
            let problem = if from.number == self.number {
                format!("{} connects to itself", self.label)
            } else {
                format!("{} connects to {}, which leads back to it", from.label, self.label)
            };
            drop(state);
            if let Some(count) = self.detector.0.log.pass(Instant::now(), &problem) {
                warn_about_loop(count, &problem);
            }
            return Err(problem);
        }
        let from_to = (from.number, self.number);
        *state.follows.entry(from_to).or_default() += 1;
        Ok(Some(Follows { detector: self.detector.clone(), from_to }))
    }
}

fn warn_about_loop(count: u64, problem: &str) {
    // Without the span of the session: the suppressed warnings may concern sessions of other proxies.
    warn!(parent: None, count, reason = problem, "connection loop closed: {problem}; change one of their upstreams");
}

impl State {
    /// Returns true if sessions of `from` lead to `to`, directly or through other proxies.
    fn leads(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut next) = (HashSet::from([from]), vec![from]);
        while let Some(at) = next.pop() {
            if at == to {
                return true;
            }
            let onward = self.follows.keys().filter(|(first, _)| *first == at).map(|(_, second)| *second);
            next.extend(onward.filter(|second| seen.insert(*second)));
        }
        false
    }
}

impl Drop for Dialed {
    fn drop(&mut self) {
        self.detector.0.state.lock().dialed.remove(&self.connection);
        self.detector.0.dialed.fetch_sub(1, Ordering::Release);
    }
}

impl Drop for Follows {
    fn drop(&mut self) {
        let mut state = self.detector.0.state.lock();
        if let Some(count) = state.follows.get_mut(&self.from_to) {
            *count -= 1;
            if *count == 0 {
                state.follows.remove(&self.from_to);
            }
        }
    }
}

impl fmt::Debug for LoopDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopDetector").field("dialed", &self.0.dialed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Opens a connection from one proxy to another, from this port.
    fn connect(
        from: &ProxyPort,
        from_port: u16,
        to: &ProxyPort,
    ) -> (Dialed, Result<Option<Follows>, String>) {
        let dialed = from.remember(at(from_port), to.port);
        (dialed, to.follows(&at(from_port).into()))
    }

    #[test]
    fn a_chain_is_not_a_loop_until_it_closes() {
        let detector = LoopDetector::default();
        let [a, b, c] = [("a", 1), ("b", 2), ("c", 3)].map(|(label, port)| detector.proxy(label, port));
        let (first, followed) = connect(&a, 101, &b);
        let first_followed = followed.unwrap();
        assert!(first_followed.is_some());
        let second = connect(&b, 102, &c);
        assert!(second.1.as_ref().is_ok_and(Option::is_some));
        let (_, closed) = connect(&c, 103, &a);
        assert_eq!(closed.unwrap_err(), "c connects to a, which leads back to it");
        // Without the first session, sessions of a no longer lead to c.
        drop((first, first_followed));
        assert!(connect(&c, 104, &a).1.is_ok_and(|followed| followed.is_some()));
    }

    #[test]
    fn a_proxy_that_connects_to_itself_is_a_loop() {
        let a = LoopDetector::default().proxy("a", 1);
        assert_eq!(connect(&a, 101, &a).1.unwrap_err(), "a connects to itself");
    }

    #[test]
    fn other_clients_are_not_followed() {
        let detector = LoopDetector::default();
        let [a, b] = [("a", 1), ("b", 2)].map(|(label, port)| detector.proxy(label, port));
        assert!(b.follows(&at(101).into()).unwrap().is_none());
        let dialed = a.remember(at(101), 2);
        // The same port of a client that has connected to another listener, or of another host.
        assert!(a.follows(&at(101).into()).unwrap().is_none());
        assert!(b.follows(&SocketAddr::from(([10, 0, 0, 1], 101)).into()).unwrap().is_none());
        assert!(b.follows(&Peer::Name("nats".into())).unwrap().is_none());
        // A listener of both address families reports an IPv4 client in this form.
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), 101);
        assert!(b.follows(&mapped.into()).unwrap().is_some());
        drop(dialed);
        assert!(b.follows(&at(101).into()).unwrap().is_none());
        assert!(detector.0.state.lock().follows.is_empty());
    }

    #[tokio::test]
    async fn only_ports_of_listeners_on_this_host_are_remembered() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let stream = TcpStream::connect(to).await.unwrap();
        let detector = LoopDetector::default();
        let other = detector.proxy("other", to.port() ^ 64);
        assert!(other.dialed(&stream, to).is_none());
        detector.proxy("a", to.port());
        assert!(other.dialed(&stream, to).is_some());
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], to.port()));
        assert!(other.dialed(&stream, elsewhere).is_none());
    }
}
