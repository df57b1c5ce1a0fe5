//! What NATS refuses: rights that are missing, and sessions whose subjects an error names.

mod denial;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use self::denial::{Denial, Right};
use crate::shared::Shared;
use crate::subject;

/// What the errors of a NATS connection have said.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The open sessions by the subjects that they subscribe to.
    sessions: Mutex<Sessions>,
    /// How often NATS has refused a subscription because there are too many.
    limit_hits: watch::Sender<u64>,
}

/// Registration of a session. Dropping it unregisters the session.
#[derive(Debug)]
pub(crate) struct Registration {
    rights: Arc<Rights>,
    subject: Box<str>,
}

type Sessions = HashMap<Box<str>, Weak<Shared>>;

impl Rights {
    /// Ends the session of `shared` when NATS refuses its subjects.
    pub(crate) fn register(self: &Arc<Self>, shared: &Arc<Shared>) -> Registration {
        let subject: Box<str> = shared.subjects.own.as_str().into();
        self.sessions().insert(subject.clone(), Arc::downgrade(shared));
        Registration { rights: Arc::clone(self), subject }
    }

    /// Takes an error of NATS. Returns false if it is about something else.
    pub(crate) fn on_error(&self, text: &str) -> bool {
        match Denial::parse(text) {
            None => return false,
            Some(Denial::Subject(right)) => self.deny(&right),
            Some(Denial::SubscriptionLimit) => {
                self.limit_hits.send_modify(|hits| *hits += 1);
                let reason = format!("NATS refused a subscription: {text}");
                for session in self.open_sessions() {
                    session.update(|core, now| core.doubt(now, &reason));
                }
            }
        }
        true
    }

    /// Ends the session that the right is about.
    fn deny(&self, right: &Right) {
        let own = subject::of_refused_session(right.subject(), right.is_publish());
        let session = self.sessions().get(own.as_str()).and_then(Weak::upgrade);
        let Some(session) = session else { return };
        let reason = format!("NATS permission missing: the {} may not {}", right.role(), right.general());
        session.update(|core, now| {
            if right.is_publish() { core.give_up(now, &reason) } else { core.abort(now, &reason) }
        });
    }

    /// Counts the subscriptions that NATS has refused because there are too many.
    pub(crate) fn limit_hits(&self) -> watch::Receiver<u64> {
        self.limit_hits.subscribe()
    }

    fn open_sessions(&self) -> Vec<Arc<Shared>> {
        self.sessions().values().filter_map(Weak::upgrade).collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.rights.sessions().remove(&self.subject);
    }
}
