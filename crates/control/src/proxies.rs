//! The proxies of a program: created, changed and deleted while they run.

mod change;
mod entry;
mod error;
mod host;
mod record;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proxy_fault::{Engine, Faults, Run};
use proxy_mapping::{ListenAddr, Upstream};
use tokio_util::task::TaskTracker;

use crate::watch::Watch;

pub(crate) use self::change::until_followed;
use self::entry::Entry;
pub use self::entry::Moment;
pub use self::error::{ChangeError, StartError};
pub use self::host::{CheckingLoop, Host, Resolving, Start, Started, Starting};
pub use self::record::FaultRecord;
pub(crate) use self::record::Vocabulary;
pub use self::state::{FaultState, ProxyState, SessionState, State, TimesState};

/// Upstream of a proxy, with the text that users wrote and are shown for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUpstream {
    /// The upstream.
    pub addr: Upstream,
    /// Its text, such as `:6379` for `localhost:6379`.
    pub text: String,
}

impl From<Upstream> for ProxyUpstream {
    fn from(addr: Upstream) -> Self {
        Self { text: addr.to_string(), addr }
    }
}

/// What a proxy is to be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Unique, and how it is addressed. It also names the draws of its faults.
    pub name: String,
    /// What people are shown instead of the name, if anything.
    pub label: Option<String>,
    /// Where to listen.
    pub listen: ListenAddr,
    /// Upstream of its sessions.
    pub upstream: ProxyUpstream,
    /// Whether it listens.
    pub enabled: bool,
    /// In force before the first session.
    pub faults: Vec<FaultRecord>,
}

/// A change of a proxy. `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Where to listen.
    pub listen: Option<ListenAddr>,
    /// What to connect to.
    pub upstream: Option<ProxyUpstream>,
    /// Whether it listens.
    pub enabled: Option<bool>,
}

/// A proxy as it is.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Name in the API.
    pub name: String,
    /// Text for people: the label, or the name without one.
    pub label: String,
    /// The address it listens on, or the requested one while it does not listen.
    pub listen: ListenAddr,
    /// Upstream of its sessions.
    pub upstream: ProxyUpstream,
    /// Whether it listens.
    pub enabled: bool,
    /// Faults as given, in the order in which they were added.
    pub faults: Vec<FaultRecord>,
    /// Faults as applied.
    pub engine: Faults,
    /// Observer of its sessions.
    pub watch: Watch,
    /// Changes when the proxy is created, disabled, or gets another address or upstream.
    pub stopped: Moment,
}

/// The proxies of a program. Clones are handles to the same.
///
/// A change of faults takes effect immediately, also while a proxy starts or stops. Proxies start and stop one after another, and
/// these changes continue if the caller drops its future.
#[derive(Clone)]
pub struct Proxies(Arc<Inner>);

struct Inner {
    host: Box<dyn Host>,
    engine: Engine,
    /// The program's, for people.
    version: String,
    duration: Option<Duration>,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while something starts or stops.
    turn: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
}

impl Proxies {
    /// None yet. `duration` is that of the run, if it has an end.
    pub fn new(host: impl Host, engine: Engine, version: &str, duration: Option<Duration>) -> Self {
        Self(Arc::new(Inner {
            host: Box::new(host),
            engine,
            version: version.to_owned(),
            duration,
            entries: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// What applies their faults.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What schedules of faults are resolved against.
    pub(crate) fn schedules(&self) -> Run {
        Run { duration: self.0.duration, ..Run::default() }
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    /// All, by name.
    pub fn all(&self) -> Vec<Proxy> {
        self.entries().iter().map(|(name, entry)| entry.proxy(name)).collect()
    }

    /// # Errors
    /// [`ChangeError::NoSuchProxy`].
    pub fn get(&self, name: &str) -> Result<Proxy, ChangeError> {
        self.entries().get(name).map(|entry| entry.proxy(name)).ok_or(ChangeError::NoSuchProxy)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("entries", &*self.entries()).finish_non_exhaustive()
    }
}
