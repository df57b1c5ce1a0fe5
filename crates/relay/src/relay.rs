//! The relay: limits, buffers and observers that the sessions of all its listeners share.

mod accept;
mod chains;
mod open;
mod pending;
mod task;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub use self::open::error_chain;
use crate::config::Config;
use crate::loops::ProxyPort;
use crate::places::{LimitStats, Places, Share};
use crate::pool::Pool;
use crate::report::{Failures, Fields};
use crate::stats::SessionTracker;
use crate::summary::SessionSummary;

type Observer = Arc<dyn Fn(&SessionSummary) + Send + Sync>;
type ConnectObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// Runs the sessions of any number of listeners, which share limits, buffers and observers.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    failures: Arc<Failures>,
    observer: Option<Observer>,
    connect_observer: Option<ConnectObserver>,
    tracker: Option<SessionTracker>,
    share: Option<Arc<Share>>,
    proxy: Option<Arc<ProxyPort>>,
    label: Option<Arc<str>>,
    listener: Option<Arc<str>>,
    upstream: Option<Arc<str>>,
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
    /// Returns a relay without sessions.
    pub fn new(config: Config) -> Self {
        let pool = Pool::new(config.buffer_budget);
        let places = Places::new(config.max_sessions);
        Self {
            shared: Arc::new(Shared { config, pool, places, last_id: AtomicU64::new(0) }),
            failures: Arc::new(Failures::new()),
            observer: None,
            connect_observer: None,
            tracker: None,
            share: None,
            proxy: None,
            label: None,
            listener: None,
            upstream: None,
        }
    }

    /// Calls `observer` at the end of each session. The call runs on the session's task, so it must not block.
    #[must_use]
    pub fn on_session_end(mut self, observer: impl Fn(&SessionSummary) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Calls `observer` with the time that the connection to each upstream took, including any delay by a
    /// [`Layer`](crate::Layer). The call runs on the session's task, so it must not block.
    #[must_use]
    pub fn on_connect(mut self, observer: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.connect_observer = Some(Arc::new(observer));
        self
    }

    /// Registers the sessions of this handle in `tracker`.
    #[must_use]
    pub fn with_tracker(mut self, tracker: SessionTracker) -> Self {
        self.tracker = Some(tracker);
        self
    }

    /// Gives all listeners that run on this handle and its clones one common share of [`Config::max_sessions`].
    /// Otherwise each [`run`](Self::run) has its own share.
    #[must_use]
    pub fn as_one_listener(mut self) -> Self {
        self.share = Some(self.shared.places.join());
        self
    }

    /// Resets clients of this proxy whose connection closes a loop of proxies of this program. The connector must be
    /// set up [for the same proxy](crate::TcpConnector::for_proxy).
    #[must_use]
    pub fn for_proxy(mut self, proxy: ProxyPort) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// Adds the field `proxy` to the log lines of sessions. Without a label, the lines do not have it. A warning that
    /// summarizes several clients counts only clients of this handle and its clones.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self.failures = Arc::new(Failures::new());
        self
    }

    /// Adds the field `listener`, the address that clients connect to, to the log lines of sessions.
    #[must_use]
    pub fn with_listener(mut self, addr: impl Into<Arc<str>>) -> Self {
        self.listener = Some(addr.into());
        self
    }

    /// Adds the field `upstream` to warnings about sessions that were not opened.
    #[must_use]
    pub fn with_upstream(mut self, upstream: impl Into<Arc<str>>) -> Self {
        self.upstream = Some(upstream.into());
        self
    }

    /// Returns the fields of warnings about its clients, without those of the span of a session.
    fn fields(&self) -> Fields<'_> {
        Fields { proxy: None, listener: None, upstream: self.upstream.as_deref() }
    }

    /// Returns the number of open sessions of all listeners.
    pub fn active_sessions(&self) -> usize {
        self.shared.places.used()
    }

    /// Returns the state of the limit [`Config::max_sessions`].
    pub fn limit_stats(&self) -> LimitStats {
        self.shared.places.stats()
    }
}
