//! The accept loop.

mod chains;
mod open;
mod task;

use std::fmt;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, field, info_span, warn};

pub use self::open::one_line;
use self::task::{Run, SessionTask};
use crate::config::Config;
use crate::listen::{Accepted, Backoff, Listener};
use crate::loops::ProxyPort;
use crate::places::{LimitStats, Places, Share};
use crate::pool::Pool;
use crate::report::Failures;
use crate::route::Route;
use crate::shutdown::Shutdown;
use crate::stats::Live;
use crate::summary::SessionSummary;

/// Shorter than the timers of sessions: half a second against one second and more.
const FIRST_TIMER: Duration = Duration::from_millis(500);

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

    /// Calls `observer` with the time that each upstream took to be reached, with any delay by a
    /// [`Layer`](crate::Layer), on the session's task: it must not block.
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

    /// Adds the field `proxy` to the log lines of sessions. Without a label, the lines do not have it.
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
    pub async fn run(&self, mut listener: impl Listener, route: Route, shutdown: &Shutdown) {
        let sessions = TaskTracker::new();
        let share = self.share.clone().unwrap_or_else(|| self.shared.places.join());
        let shutdown = shutdown.child();
        let abort_on_drop = AbortOnDrop(shutdown.clone());
        let run = Arc::new(Run { relay: self.clone(), route, shutdown });
        let mut draining = pin!(run.shutdown.draining());
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
                    let id = self.shared.last_id.fetch_add(1, Ordering::Relaxed) + 1;
                    let span = info_span!(
                        "session",
                        session.id = id,
                        proxy = self.label.as_deref(),
                        client.addr = %peer,
                        upstream.addr = field::Empty,
                    );
                    let task = SessionTask::new(self, id, peer, connector, place);
                    sessions.spawn(task.run(Arc::clone(&run), downstream).instrument(span));
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
}

struct AbortOnDrop(Shutdown);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
