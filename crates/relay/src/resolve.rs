//! Name lookups, shared by all sessions that wait for the same name.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// Maximum number of concurrent lookups of names that have not resolved before.
const MAX_NEW_LOOKUPS: usize = 128;

/// Maximum number of concurrent lookups of names that have resolved before.
const MAX_KNOWN_LOOKUPS: usize = 128;

/// Maximum number of remembered names that have resolved.
const MAX_KNOWN_NAMES: usize = 4096;

type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Addresses of a name, with port 0, or the reason why it does not have any.
type Answer = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

/// Looks names up with the system's resolver. Clones share their lookups.
///
/// A name that is already being looked up is not looked up again. Every caller that waits for it gets the same answer,
/// including callers that came after the lookup had begun. Answers are not cached, so a later call gets a changed
/// address.
///
/// Each lookup occupies a thread until the system answers, even if no caller waits for it any more. A `Resolver` uses
/// at most one thread for each name and 256 in total by default. 128 of these are reserved for names that have resolved
/// before, so that many names whose name server does not answer do not delay names that work.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    lookup: Box<Lookup>,
    state: Mutex<State>,
    new: Arc<Semaphore>,
    known: Arc<Semaphore>,
}

impl Inner {
    fn new(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
            state: Mutex::default(),
            new: Arc::new(Semaphore::new(MAX_NEW_LOOKUPS)),
            known: Arc::new(Semaphore::new(MAX_KNOWN_LOOKUPS)),
        }
    }
}

fn system_lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((host, 0).to_socket_addrs()?.collect())
}

#[derive(Default)]
struct State {
    flights: HashMap<Arc<str>, Flight>,
    resolved: HashSet<Arc<str>>,
}

/// A lookup that has begun.
#[derive(Clone)]
struct Flight {
    began: Instant,
    answer: watch::Receiver<Option<Answer>>,
}

impl Resolver {
    /// Uses the system's resolver (`getaddrinfo`).
    pub fn new() -> Self {
        Self::with_lookup(system_lookup)
    }

    /// Uses the system's resolver, and at most `max_new` threads for names that have not resolved before, instead of 128. The runtime must
    /// allow that many blocking threads in addition to the others; tokio's default is 512.
    pub fn with_new_lookups(max_new: usize) -> Self {
        let mut inner = Inner::new(system_lookup);
        inner.new = Arc::new(Semaphore::new(max_new));
        Self(Arc::new(inner))
    }

    /// Uses `lookup`, which may block. The ports of the addresses that it returns are ignored.
    pub fn with_lookup(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner::new(lookup)))
    }

    /// Returns the addresses of `host`, a name or an IP address without brackets, with this port. The list is not
    /// empty.
    ///
    /// # Errors
    /// Returns the error of the system's resolver.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the lookup to the other callers that wait for it. A lookup that has begun goes on to
    /// its end.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let flight = self.flight(host).await;
        with_port(flight.answer().await, port)
    }

    /// As [`resolve`](Self::resolve), with an error of kind [`io::ErrorKind::TimedOut`] if the lookup takes longer
    /// than `limit`. If another caller has begun the lookup, the limit counts from its beginning.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn resolve_within(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer");
        let flight = timeout_at(Instant::now() + limit, self.flight(host)).await.map_err(timed_out)?;
        let answer = timeout_at(flight.began + limit, flight.answer()).await.map_err(timed_out)?;
        with_port(answer, port)
    }

    /// Joins the lookup of this name if one is running. Otherwise waits for a free thread and begins one.
    async fn flight(&self, host: &str) -> Flight {
        let slots = {
            let state = self.0.state.lock();
            if let Some(flight) = state.flights.get(host) {
                return flight.clone();
            }
            if state.resolved.contains(host) { &self.0.known } else { &self.0.new }
        };
        let slot = Arc::clone(slots).acquire_owned().await.expect("never closed");
        self.begin(host, slot)
    }

    fn begin(&self, host: &str, slot: OwnedSemaphorePermit) -> Flight {
        let mut state = self.0.state.lock();
        // Another caller may have begun while this one waited for a thread.
        if let Some(flight) = state.flights.get(host) {
            return flight.clone();
        }
        let host: Arc<str> = host.into();
        let (report, answer) = watch::channel(None);
        let flight = Flight { began: Instant::now(), answer };
        state.flights.insert(Arc::clone(&host), flight.clone());
        drop(state);
        let mut landing = Landing { inner: Arc::clone(&self.0), host, report, answer: None, _slot: slot };
        spawn_blocking(move || landing.look_up());
        flight
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("lookups", &self.0.state.lock().flights.len())
            .finish_non_exhaustive()
    }
}

impl Flight {
    async fn answer(mut self) -> Answer {
        match self.answer.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(answer)) => answer.clone(),
            // The runtime has shut down before the lookup ran.
            Ok(None) | Err(_) => Err(Arc::new(io::Error::other("the lookup was canceled"))),
        }
    }
}

/// Job of a lookup on its thread. Dropping it reports the answer and frees the thread for the next lookup. A runtime
/// that shuts down may drop it before the lookup has begun.
struct Landing {
    inner: Arc<Inner>,
    host: Arc<str>,
    report: watch::Sender<Option<Answer>>,
    answer: Option<io::Result<Vec<SocketAddr>>>,
    _slot: OwnedSemaphorePermit,
}

impl Landing {
    fn look_up(&mut self) {
        self.answer = Some((self.inner.lookup)(&self.host));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        state.flights.remove(&self.host);
        let Some(answer) = self.answer.take() else { return };
        if answer.is_err() {
            state.resolved.remove(&self.host);
        } else if state.resolved.len() < MAX_KNOWN_NAMES {
            state.resolved.insert(Arc::clone(&self.host));
        }
        drop(state);
        self.report.send_replace(Some(answer.map(Arc::from).map_err(Arc::new)));
    }
}

fn with_port(answer: Answer, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = answer.map_err(|error| io::Error::new(error.kind(), error))?.to_vec();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    addresses.iter_mut().for_each(|addr| addr.set_port(port));
    Ok(addresses)
}

#[cfg(test)]
mod tests;
