//! The accept loop and the life of a session around its relaying.

use std::error::Error;
use std::fmt;
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::select;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug, field, info_span, warn};

use crate::connect::{ConnectError, Connected, Connector};
use crate::handshake::{Handshake, HandshakeProgress};
use crate::listen::{Accepted, Backoff, Listener};
use crate::live::{Listed, Live};
use crate::loops::{Dialed, Follows, ProxyPort};
use crate::places::{LimitStats, Places, Share};
use crate::pool::Pool;
use crate::report::{Failures, LOOP};
use crate::session::{self, Session};
use crate::shutdown::Shutdown;
use crate::stream::{BoxStream, Peer};
use crate::summary::{End, SessionSummary};

/// Shorter than the timers of sessions: half a second against one second and more.
const FIRST_TIMER: Duration = Duration::from_millis(500);

/// How often a connection that waits for its place is looked at again.
const LOOP_INTERVAL: Duration = Duration::from_millis(100);

/// How long a connection of another proxy of the program waits for its place.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How bytes move through a flow that is busy, where both its ends are TCP sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DataPath {
    /// Through buffers of up to 1 MiB: the most bytes a second.
    #[default]
    Copy,
    /// Through a pipe by splice(2): the fewest CPU seconds a byte. Falls back to buffers where pipes run out.
    Splice,
}

/// The limits a relay holds itself to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Sessions at once; at the limit new connections wait, unread. A quarter is kept, in equal shares, for listeners that
    /// use less than their share: one listener among several cannot take all. Default 4,096.
    pub max_sessions: usize,
    /// Bytes of buffers that busy flows may hold together; beyond it they read in small steps. Default 64 MiB.
    pub buffer_budget: usize,
    /// Default [`DataPath::Copy`].
    pub data_path: DataPath,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sessions: 4096, buffer_budget: 64 << 20, data_path: DataPath::default() }
    }
}

/// Where the sessions of a listener go.
#[derive(Debug, Clone)]
pub struct Route {
    /// What downstreams go through before the upstream is dialled, if anything.
    pub handshake: Option<Arc<dyn Handshake>>,
    /// What reaches the upstream; `None`: what the listener brings with each downstream. A downstream that brings its
    /// connector does not wait at [`Config::max_sessions`]: both are dropped at once.
    pub connector: Option<Arc<dyn Connector>>,
    /// How a downstream ends whose upstream cannot be reached. A downstream that the connector refuses
    /// ([`ConnectError::Refused`]), or whose upstream accepts and resets the connection, is always aborted.
    pub on_upstream_failure: OnUpstreamFailure,
}

/// How a downstream ends whose upstream cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnUpstreamFailure {
    /// By an abort (TCP: RST). An end of file would look like an empty answer of the upstream.
    #[default]
    Abort,
    /// By an end of file (TCP: FIN). A client that connects without blocking may otherwise see its connect fail.
    Close,
}

impl Route {
    /// To what `connector` reaches, without a handshake.
    pub fn to(connector: impl Connector) -> Self {
        Self {
            handshake: None,
            connector: Some(Arc::new(connector)),
            on_upstream_failure: OnUpstreamFailure::default(),
        }
    }

    /// To where each downstream asks to go ([`Accepted::connector`]), without a handshake.
    pub fn as_asked() -> Self {
        Self { handshake: None, connector: None, on_upstream_failure: OnUpstreamFailure::default() }
    }
}

type Observer = Arc<dyn Fn(&SessionSummary) + Send + Sync>;
type ConnectObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// What the sessions of any number of listeners share: limits, buffers, and who is told of their ends.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    failures: Arc<Failures>,
    observer: Option<Observer>,
    connect_observer: Option<ConnectObserver>,
    live: Option<Live>,
    share: Option<Arc<Share>>,
    proxy: Option<Arc<ProxyPort>>,
    label: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    pool: Arc<Pool>,
    places: Places,
    last_id: AtomicU64,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Relay {
    /// A relay with no sessions yet.
    pub fn new(config: Config) -> Self {
        let pool = Pool::new(config.buffer_budget);
        let places = Places::new(config.max_sessions);
        Self {
            shared: Arc::new(Shared { config, pool, places, last_id: AtomicU64::new(0) }),
            failures: Arc::new(Failures::new()),
            observer: None,
            connect_observer: None,
            live: None,
            share: None,
            proxy: None,
            label: None,
        }
    }

    /// Calls `observer` at the end of each session, on the session's task: it must not block.
    #[must_use]
    pub fn on_session_end(mut self, observer: impl Fn(&SessionSummary) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Calls `observer` with the time that each upstream took to be reached, on the session's task: it must not block.
    #[must_use]
    pub fn on_connect(mut self, observer: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.connect_observer = Some(Arc::new(observer));
        self
    }

    /// Shows the sessions that this handle runs in `live`.
    #[must_use]
    pub fn showing(mut self, live: Live) -> Self {
        self.live = Some(live);
        self
    }

    /// Counts all listeners that run on this handle and its clones as one, for its share in
    /// [`Config::max_sessions`]. Without it, each [`run`](Self::run) has a share of its own.
    #[must_use]
    pub fn as_one_listener(mut self) -> Self {
        self.share = Some(self.shared.places.join());
        self.failures = Arc::new(Failures::new());
        self
    }

    /// Ends sessions of this proxy whose client is the program itself, if they close a loop. Its connector must be one
    /// [for the same proxy](crate::TcpConnector::for_proxy).
    #[must_use]
    pub fn for_proxy(mut self, proxy: ProxyPort) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// Gives the log lines of sessions the field `proxy`. Without it, they have none.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How many sessions there are, over all listeners.
    pub fn active_sessions(&self) -> usize {
        self.shared.places.used()
    }

    /// How close it is to [`Config::max_sessions`].
    pub fn limit_stats(&self) -> LimitStats {
        self.shared.places.stats()
    }

    /// Accepts from `listener` until `shutdown` drains, then waits for its sessions to end; `shutdown.close()` and
    /// `shutdown.abort()` end them at once. Returns when none is left.
    ///
    /// # Cancel safety
    /// Dropping the future aborts its sessions.
    pub async fn run(&self, listener: impl Listener, route: Route, shutdown: &Shutdown) {
        let sessions = TaskTracker::new();
        let share = self.share.clone().unwrap_or_else(|| self.shared.places.join());
        let shutdown = shutdown.child();
        let abort_on_drop = AbortOnDrop(shutdown.clone());
        let mut draining = pin!(shutdown.draining());
        let mut backoff = Backoff::new();
        // It comes first, because tokio wakes its own driver for a timer that is due before all others, and short sessions would
        // pay that system call for theirs.
        let mut first_timer = interval(FIRST_TIMER);
        first_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = select! {
                biased;
                () = &mut draining => break,
                accepted = listener.accept() => accepted,
                _ = first_timer.tick(), if !sessions.is_empty() || self.has_rest() => {
                    self.tell_rest(Some(tokio::time::Instant::now()));
                    continue;
                }
            };
            match accepted {
                Ok(Accepted { stream: mut downstream, peer, connector }) => {
                    backoff = Backoff::new();
                    // Only now, so that no listener keeps a place that another has a client for.
                    let place = select! {
                        biased;
                        () = &mut draining => {
                            downstream.abort();
                            break;
                        }
                        place = share.place() => place,
                        // Its connector, which is dropped, lets it ask elsewhere.
                        () = ready(()), if connector.is_some() => continue,
                        () = self.wait_for_loop(&peer) => {
                            downstream.abort();
                            continue;
                        }
                    };
                    let (relay, shutdown) = (self.clone(), shutdown.clone());
                    let route = Route {
                        handshake: route.handshake.clone(),
                        connector: connector.or_else(|| route.connector.clone()),
                        on_upstream_failure: route.on_upstream_failure,
                    };
                    let id = self.shared.last_id.fetch_add(1, Ordering::Relaxed) + 1;
                    let span = info_span!(
                        "session",
                        session.id = id,
                        proxy = self.label.as_deref(),
                        client.addr = %peer,
                        upstream.addr = field::Empty,
                    );
                    sessions.spawn(
                        async move {
                            relay.session(id, downstream, peer, route, shutdown).await;
                            drop(place);
                        }
                        .instrument(span),
                    );
                }
                Err(error) => {
                    let is_fresh = backoff.is_fresh();
                    let Some(wait) = backoff.after(&error) else { continue };
                    if is_fresh {
                        warn!(%error, "cannot accept connections, trying again");
                    }
                    select! {
                        () = &mut draining => break,
                        () = sleep(wait) => {}
                    }
                }
            }
        }
        drop(listener);
        sessions.close();
        sessions.wait().await;
        self.tell_rest(None);
        drop(abort_on_drop);
    }

    /// Whether warnings were left out that [`tell_rest`](Self::tell_rest) writes in time.
    fn has_rest(&self) -> bool {
        self.failures.has_rest()
            || self.shared.places.has_rest()
            || self.proxy.as_ref().is_some_and(|proxy| proxy.has_rest())
    }

    fn tell_rest(&self, now: Option<tokio::time::Instant>) {
        self.failures.tell_rest(now, self.label.as_deref());
        self.shared.places.tell_rest(now);
        if let Some(proxy) = &self.proxy {
            proxy.tell_rest(now);
        }
    }

    /// Returns when the connection of `peer`, which has no place yet, is found to close a loop, since it may wait for its own
    /// end. A connection of another proxy of the program waits for [`CHAIN_TIMEOUT`] only: the session that has
    /// dialed it has a place itself, which may be the last one.
    async fn wait_for_loop(&self, peer: &Peer) {
        let Some(proxy) = &self.proxy else { return pending().await };
        let began = Instant::now();
        // The session that has dialed it may still have to remember it.
        while let Ok(follows) = proxy.follows(peer) {
            if follows.is_some() && began.elapsed() >= CHAIN_TIMEOUT {
                debug!("client reset, no place for a connection of another proxy within {CHAIN_TIMEOUT:?}");
                return;
            }
            sleep(LOOP_INTERVAL).await;
        }
    }

    /// Fails, with the reason in `summary`, if the downstream closes a loop. Finds out which proxy it comes from, if any.
    fn refuse_loop(&self, marks: &mut LoopMarks, summary: &mut SessionSummary) -> Option<()> {
        let (Some(proxy), None) = (&self.proxy, &marks.follows) else { return Some(()) };
        match proxy.follows(&summary.downstream) {
            Ok(follows) => {
                marks.follows = follows.map(Box::new);
                Some(())
            }
            Err(problem) => {
                summary.upstream_end = End::NotOpened(format!("connection loop: {problem}"));
                summary.not_opened = Some(LOOP);
                None
            }
        }
    }

    async fn session(&self, id: u64, downstream: BoxStream, peer: Peer, route: Route, shutdown: Shutdown) {
        let started = Instant::now();
        let listed = self.live.as_ref().map(|live| live.begin(id, peer.clone()));
        let mut summary = SessionSummary {
            id,
            downstream: peer,
            upstream: None,
            bytes_to_upstream: 0,
            bytes_to_downstream: 0,
            duration: started.elapsed(),
            downstream_end: End::Cut,
            upstream_end: End::Cut,
            not_opened: None,
        };
        let mut marks = LoopMarks::default();
        let opened = select! {
            biased;
            opened = self.open(downstream, &route, &mut marks, &mut summary) => opened,
            () = shutdown.closed() => None,
            () = shutdown.aborted() => None,
        };
        if let Some((downstream, upstream)) = opened {
            let live = listed.as_ref().map(|Listed { session, .. }| Arc::clone(session));
            if let (Some(live), Some(upstream)) = (&live, &summary.upstream) {
                live.set_upstream(upstream.clone());
            }
            let mut session = Session::new(downstream, upstream, self.shared.config.data_path, live);
            select! {
                biased;
                () = session.relay(&self.shared.pool) => {}
                () = shutdown.closed() => session.close(),
                () = shutdown.aborted() => {}
            }
            summary.bytes_to_upstream = session.bytes_to_upstream();
            summary.bytes_to_downstream = session.bytes_to_downstream();
            (summary.downstream_end, summary.upstream_end) = session.ends();
        }
        summary.duration = started.elapsed();
        drop(listed);
        self.failures.report(&summary);
        if let Some(observer) = &self.observer {
            observer(&summary);
        }
    }

    /// Hands shake with the downstream, then dials; `None` with the reason in `summary` if either fails.
    async fn open(
        &self,
        downstream: BoxStream,
        route: &Route,
        marks: &mut LoopMarks,
        summary: &mut SessionSummary,
    ) -> Option<(BoxStream, BoxStream)> {
        let mut downstream = Unopened(Some(downstream));
        self.refuse_loop(marks, summary)?;
        let downstream = downstream.take();
        let handshake_failed = |summary: &mut SessionSummary, error: &io::Error| {
            summary.downstream_end = End::NotOpened(one_line(error));
            summary.not_opened = Some("client_handshake");
        };
        let progress = match &route.handshake {
            None => HandshakeProgress::Complete(downstream),
            Some(handshake) => match handshake.accept(downstream).await {
                Ok(progress) => progress,
                Err(error) => {
                    handshake_failed(summary, &error);
                    return None;
                }
            },
        };
        let (mut downstream, offer) = match progress {
            HandshakeProgress::Complete(stream) => (Unopened(Some(stream)), None),
            HandshakeProgress::OffersProtocols(offer) => (Unopened(None), Some(offer)),
        };
        let Some(connector) = &route.connector else {
            summary.upstream_end =
                End::NotOpened("it asked for no upstream, and there is none for all".to_owned());
            summary.not_opened = Some("not_wanted");
            return None;
        };
        let dialled = Instant::now();
        let mut connected = match &offer {
            None => connector.connect().await,
            Some(offer) => connector.connect_offering(&offer.protocols).await,
        };
        if let Ok(connected) = &connected {
            if let Some(observer) = &self.connect_observer {
                observer(dialled.elapsed());
            }
            Span::current().record("upstream.addr", field::display(&connected.peer));
            summary.upstream = Some(connected.peer.clone());
        }
        if let Ok(connected) = &mut connected {
            marks.dialed = connected.dialed.take();
            // The proxy that has dialed the downstream, on another thread, may have remembered it only now.
            if self.refuse_loop(marks, summary).is_none() {
                connected.stream.abort();
                return None;
            }
        }
        if let Some(offer) = offer {
            let choice = connected.as_ref().map(|connected| connected.protocol.clone());
            match (offer.complete)(choice).await {
                Ok(stream) => downstream = Unopened(Some(stream)),
                Err(error) => {
                    // The upstream's error, if there is one, says more.
                    if let Ok(connected) = &mut connected {
                        connected.stream.abort();
                        handshake_failed(summary, &error);
                        return None;
                    }
                }
            }
        }
        match connected {
            Ok(Connected { stream, around_downstream, .. }) => {
                let downstream = downstream.take();
                let downstream = match around_downstream {
                    Some(wrap) => wrap(downstream),
                    None => downstream,
                };
                Some((downstream, stream))
            }
            Err(error) => {
                summary.upstream_end = End::NotOpened(one_line(&error));
                summary.not_opened = Some(error.reason());
                let is_refused = matches!(error, ConnectError::Refused(_));
                let is_reset = error.is_reset();
                // A downstream whose own handshake failed for this is gone.
                if route.on_upstream_failure == OnUpstreamFailure::Close
                    && !is_refused
                    && !is_reset
                    && let Some(stream) = downstream.0.take()
                {
                    summary.downstream_end = End::Closed;
                    // In a box, since most sessions do not come here and all would be larger.
                    Box::pin(session::close(stream)).await;
                }
                None
            }
        }
    }
}

/// What is remembered of a session to find loops. In boxes, since few sessions have them.
#[derive(Debug, Default)]
struct LoopMarks {
    /// Its downstream, if that is another proxy of the program.
    follows: Option<Box<Follows>>,
    /// Its upstream, if that may be one.
    dialed: Option<Box<Dialed>>,
}

struct AbortOnDrop(Shutdown);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A downstream that is aborted if its session never opens, unless it is taken out to be closed.
struct Unopened(Option<BoxStream>);

impl Unopened {
    fn take(&mut self) -> BoxStream {
        self.0.take().expect("taken once")
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.abort();
        }
    }
}

/// An error and its sources, as one line.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}
