//! What all tunnels of a NATS connection share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::task::TaskTracker;

use crate::accept::Remembered;
use crate::any_session::AnySession;
use crate::budget::MemoryBudget;
use crate::driver::Driver;
use crate::handshake::{Encoding, EndInfo};
use crate::id::{InstanceId, SessionId};
use crate::legacy::LegacySession;
use crate::link::NatsConnection;
use crate::paths::Paths;
use crate::session::{Limits, Session, Window};
use crate::shared::{Clock, Shared, Subjects};
use crate::stream::NatsStream;
use crate::subject;
use crate::throttle::MessageWarnings;

/// How tunnels behave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How long a session survives without a sign of its other end, or of NATS. Default 60 s.
    pub max_outage: Duration,
    /// How long a session with one direction ended may be silent in the other. Default 1 h.
    pub half_close_timeout: Duration,
    /// How long a session with a peer that only speaks the plain protocol may be silent. Default 1 h.
    pub legacy_idle_timeout: Duration,
    /// The time to reach the other end, its own connection to the target included. Default 15 s.
    pub open_timeout: Duration,
    /// What to agree on with the other end, best first. Default: binary, then JSON.
    pub encodings: Vec<Encoding>,
    /// Bytes that all sessions together may hold. Defaults to 256 MiB.
    pub memory_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_outage: Duration::from_secs(60),
            half_close_timeout: Duration::from_secs(3600),
            legacy_idle_timeout: Duration::from_secs(3600),
            open_timeout: Duration::from_secs(15),
            encodings: vec![Encoding::Binary, Encoding::Json],
            memory_limit: 256 << 20,
        }
    }
}

/// The tunnels of one NATS connection. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Tunnels {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: NatsConnection,
    pub(crate) config: Config,
    pub(crate) tasks: TaskTracker,
    pub(crate) bad_messages: Arc<MessageWarnings>,
    pub(crate) refused: MessageWarnings,
    /// Names this process to its peers.
    pub(crate) instance: InstanceId,
    clock: Clock,
    paths: Paths,
    /// Requests of clients, if this is a server.
    remembered: Mutex<Remembered>,
    /// The last reply came from a server that does not know repeated requests.
    pub(crate) has_old_servers: AtomicBool,
    pub(crate) budget: Arc<MemoryBudget>,
    /// Where this process listens for notices, if it is a client. Empty until it does.
    pub(crate) notices: OnceLock<String>,
    ids: Mutex<StdRng>,
}

/// Which end of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// With what the server's reply granted.
    Client {
        credit: u64,
    },
    Server,
}

impl Tunnels {
    /// Creates tunnels over `link`. Session IDs are drawn from `seed`, which must be 32 unpredictable bytes.
    pub fn new(link: NatsConnection, config: Config, seed: [u8; 32]) -> Self {
        let mut ids = StdRng::from_seed(seed);
        let inner = Inner {
            instance: InstanceId::random(&mut ids),
            remembered: Mutex::default(),
            has_old_servers: AtomicBool::new(false),
            clock: Clock::start(),
            paths: Paths::default(),
            tasks: TaskTracker::new(),
            bad_messages: Arc::default(),
            refused: MessageWarnings::default(),
            budget: MemoryBudget::new(config.memory_limit),
            notices: OnceLock::new(),
            link,
            config,
            ids: Mutex::new(ids),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Waits until the peers of all sessions have been notified of their end. New sessions prolong the wait.
    ///
    /// # Cancel safety
    /// Can be called again.
    pub async fn closed(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub(crate) fn new_id(&self) -> SessionId {
        SessionId::random(&mut *self.inner.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A session that is not yet listened to. `encoding` is `None` for a peer that only speaks the plain protocol. `notices` is where
    /// the client of a server's session listens for notices.
    pub(crate) fn session(
        &self,
        id: &SessionId,
        encoding: Option<Encoding>,
        role: Role,
        peer: EndInfo,
        notices: Option<Subject>,
    ) -> Arc<Shared> {
        let Inner { config, budget, paths, clock, .. } = &*self.inner;
        let (clock, id) = (*clock, id.as_str());
        let now = clock.now();
        let window = Window::new(paths.to(peer.instance), Arc::clone(budget), now);
        let limits = Limits { max_outage: config.max_outage, half_close_timeout: config.half_close_timeout };
        let mut core = match (encoding, role) {
            (None, _) => AnySession::Legacy(LegacySession::new(
                id,
                now,
                config.legacy_idle_timeout,
                Arc::clone(budget),
            )),
            (Some(encoding), Role::Client { credit }) => {
                AnySession::Reliable(Session::client(id, encoding, credit, limits, window, now))
            }
            (Some(encoding), Role::Server) => {
                AnySession::Reliable(Session::new(id, encoding, 0, limits, window, now))
            }
        };
        if let (AnySession::Reliable(session), Some(max_message)) = (&mut core, peer.max_message) {
            session.limit_messages(max_message);
        }
        let (to_server, to_client) = (subject::to_server(id), subject::to_client(id));
        let (own, others) = match role {
            Role::Client { .. } => (to_client, to_server),
            Role::Server => (to_server, to_client),
        };
        let (prefix, _) = others.rsplit_once('.').unwrap_or_default();
        let nobodys = Subject::from(format!("{prefix}.{}", subject::pacing(id)));
        let markers =
            Subject::from(format!("{}.{}", own.rsplit_once('.').unwrap_or_default().0, subject::pacing(id)));
        let subjects = Subjects { local: own.into(), peer: others.into(), pacing: nobodys, markers, notices };
        Shared::new(core, clock, subjects, Arc::clone(budget), peer.instance)
    }

    /// Listens to a session, and runs it from now on.
    pub(crate) async fn start(&self, shared: &Arc<Shared>) -> Result<(), async_nats::SubscribeError> {
        let Inner { link, tasks, bad_messages, .. } = &*self.inner;
        let (client, subjects) = (link.client().clone(), &shared.subjects);
        let registration = link.rights().register(shared);
        let messages = client.subscribe(subjects.local.clone()).await?;
        let is_plain = matches!(shared.lock().core, AnySession::Legacy(_));
        let markers = if is_plain { Some(client.subscribe(subjects.markers.clone()).await?) } else { None };
        let bad_messages = Arc::clone(bad_messages);
        let driver =
            Driver::new(Arc::clone(shared), link.clone(), messages, markers, bad_messages, registration);
        tasks.spawn(driver);
        Ok(())
    }

    pub(crate) fn stream(&self, shared: Arc<Shared>) -> NatsStream {
        NatsStream::new(shared, self.inner.link.clone())
    }

    pub(crate) fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.inner.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what peers receive about this end when a session opens.
    pub(crate) fn end_info(&self) -> EndInfo {
        let Inner { instance, link, .. } = &*self.inner;
        EndInfo { instance: Some(*instance), max_message: Some(link.max_message()) }
    }
}
