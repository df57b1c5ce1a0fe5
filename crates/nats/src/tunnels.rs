//! State that all tunnels of a NATS connection share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::Subject;
use parking_lot::{Mutex, MutexGuard};
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
use crate::session::{Limits, Role, Session, Window};
use crate::shared::{Clock, Shared, Subjects};
use crate::stream::NatsStream;
use crate::subject;
use crate::throttle::MessageWarnings;

/// Configuration of tunnels.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Time that a session survives without a message of its peer, or without NATS. Defaults to 60 s.
    pub max_outage: Duration,
    /// Maximum time without data in one direction of a session after the other one has ended. Defaults to 1 h.
    pub half_close_timeout: Duration,
    /// Maximum idle time of a session with a peer that only supports the plain protocol. Defaults to 1 h.
    pub legacy_idle_timeout: Duration,
    /// Time limit to open a session, including the peer's connection to the target. Defaults to 15 s.
    pub open_timeout: Duration,
    /// Encodings to negotiate with the peer, the preferred one first. Defaults to binary, then JSON.
    pub encodings: Vec<Encoding>,
    /// Maximum number of bytes that all sessions together may hold. Defaults to 256 MiB.
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

/// The tunnels of one NATS connection. Clones share one state.
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
    /// ID of this process for its peers.
    pub(crate) instance: InstanceId,
    clock: Clock,
    paths: Paths,
    /// Requests of clients, if this is a server.
    remembered: Mutex<Remembered>,
    /// True if the last reply came from a server that does not recognize repeated requests.
    pub(crate) has_old_servers: AtomicBool,
    pub(crate) budget: Arc<MemoryBudget>,
    /// Inbox of this process for notices, if it is a client. Empty until it has subscribed.
    pub(crate) notices: OnceLock<String>,
    ids: Mutex<StdRng>,
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
        SessionId::random(&mut *self.inner.ids.lock())
    }

    /// Creates a session that is not subscribed yet. `encoding` is `None` for a peer that only supports the plain
    /// protocol. `notices` is the inbox of the client for notices, if this is the server's end.
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
        let core = match encoding {
            None => {
                let session = LegacySession::new(id, now, config.legacy_idle_timeout, Arc::clone(budget));
                AnySession::Legacy(session)
            }
            Some(encoding) => {
                let mut session = Session::new(id, encoding, role, limits, window, now);
                if let Some(max_message) = peer.max_message {
                    session.limit_messages(max_message);
                }
                AnySession::Reliable(session)
            }
        };
        // The subjects with this last token that the end itself and its peer subscribe to.
        let both_ends = |token: &str| {
            let (to_server, to_client) = (subject::to_server(token).into(), subject::to_client(token).into());
            match role {
                Role::Client { .. } => (to_client, to_server),
                Role::Server => (to_server, to_client),
            }
        };
        let (local, peer_subject) = both_ends(id);
        let (markers, pacing) = both_ends(&subject::pacing(id));
        let subjects = Subjects { local, peer: peer_subject, pacing, markers, notices };
        Shared::new(core, clock, subjects, Arc::clone(budget), peer.instance)
    }

    /// Subscribes to the subjects of a session, and runs it from now on.
    pub(crate) async fn start(&self, shared: &Arc<Shared>) -> Result<(), async_nats::SubscribeError> {
        let Inner { link, tasks, bad_messages, .. } = &*self.inner;
        let (client, subjects) = (link.client().clone(), &shared.subjects);
        let registration = link.permissions().register(shared);
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
        self.inner.remembered.lock()
    }

    /// Returns the properties of this end that peers receive when a session opens.
    pub(crate) fn end_info(&self) -> EndInfo {
        let Inner { instance, link, .. } = &*self.inner;
        EndInfo { instance: Some(*instance), max_message: Some(link.max_message()) }
    }
}
