//! Registry of the proxies of a program, which are created, changed and deleted while it runs.

mod change;
mod changes;
mod entry;
mod error;
mod expiry;
mod history;
mod host;
mod proxy;
mod record;
mod removed;
mod requests;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_engine::{Engine, ScheduleContext};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub(crate) use self::change::wait_applied;
pub use self::changes::Change;
use self::changes::Changes;
pub(crate) use self::changes::Client;
use self::entry::Entry;
pub use self::error::{ChangeError, StartError};
pub(crate) use self::history::INTERVAL;
pub use self::history::{ProxyHistory, RecentState, Sample};
pub use self::host::{CheckingLoop, LaunchRequest, ProxyLauncher, Resolving, RunningProxy, Starting};
pub use self::proxy::{Generation, Proxy, ProxyUpstream, Spec, Update};
pub(crate) use self::record::{Dialect, Ttl, all_shown, shown};
pub use self::record::{FaultRecord, protocol_of};
use self::removed::Removed;
pub use self::removed::RemovedFault;
pub use self::requests::RequestsState;
pub(crate) use self::requests::{ProxyRequests, name_of};
pub use self::state::{FailureState, FaultState, ProxyState, SessionState, State, TimesState};

/// Registry of the proxies of a program. Clones share it.
///
/// A change of faults takes effect immediately, also while a proxy starts or stops. Proxies start and stop one after another, and
/// these changes continue if the caller drops its future.
#[derive(Clone)]
pub struct Proxies {
    inner: Arc<Inner>,
    /// Client of the API to which changes through this handle are attributed. `None` if the program itself
    /// makes them.
    client: Option<Arc<Client>>,
}

struct Inner {
    host: Box<dyn ProxyLauncher>,
    engine: Engine,
    /// Version of the program for users.
    version: String,
    duration: Option<Duration>,
    entries: Mutex<BTreeMap<String, Entry>>,
    changes: Mutex<Changes>,
    removed: Mutex<Removed>,
    /// Notified after each change by a client.
    changed: Notify,
    /// Locked while a proxy starts or stops.
    turn: tokio::sync::Mutex<()>,
    /// Locked while the samples of the history are taken.
    sampling: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
    /// Notified when a fault with a time to live is added or changed.
    new_expiry: Notify,
}

impl Proxies {
    /// Creates an empty registry. `duration` is the duration of the run, if it is limited.
    pub fn new(host: impl ProxyLauncher, engine: Engine, version: &str, duration: Option<Duration>) -> Self {
        let inner = Inner {
            host: Box::new(host),
            engine,
            version: version.to_owned(),
            duration,
            entries: Mutex::default(),
            changes: Mutex::default(),
            removed: Mutex::default(),
            changed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            sampling: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            new_expiry: Notify::new(),
        };
        Self { inner: Arc::new(inner), client: None }
    }

    /// Returns the engine that applies the faults.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Returns the context for schedules of faults.
    pub(crate) fn schedules(&self) -> ScheduleContext {
        ScheduleContext { duration: self.inner.duration, ..ScheduleContext::default() }
    }

    pub(crate) fn version(&self) -> &str {
        &self.inner.version
    }

    /// Returns all proxies in the order of their names.
    pub fn all(&self) -> Vec<Proxy> {
        self.entries().iter().map(|(name, entry)| entry.proxy(name)).collect()
    }

    /// Returns the proxy with this name.
    ///
    /// # Errors
    /// Returns [`ChangeError::NoSuchProxy`] if there is no such proxy.
    pub fn get(&self, name: &str) -> Result<Proxy, ChangeError> {
        self.entries().get(name).map(|entry| entry.proxy(name)).ok_or(ChangeError::NoSuchProxy)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.inner.entries.lock()
    }
}

impl Inner {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock()
    }

    fn removed(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock()
    }
}

/// Returns a time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("entries", &*self.entries()).finish_non_exhaustive()
    }
}
