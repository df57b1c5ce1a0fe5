//! Permissions that NATS refuses: missing permissions, and the sessions whose subjects an error contains.
//!
//! - `denial`: errors of NATS and the permissions in them
//! - `missing`: the permissions that a program needs, and those of them that are missing
//! - `check`: a check of all permissions
//! - `measure`: measurements of the connection
//! - `notices`: messages with which a server ends the sessions whose subjects it may not publish to
//! - `place`: places of ended sessions at the limit of subscriptions
//! - `report`: messages with which a client reports its missing permissions to servers

mod check;
mod denial;
mod measure;
mod missing;
pub(crate) mod notices;
mod place;
mod report;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};

use self::denial::Denial;
pub use self::denial::Permission;
pub use self::measure::ServerAnswer;
pub(crate) use self::missing::Missing;
pub use self::missing::Needs;
pub(crate) use self::place::Place;
use crate::id::InstanceId;
use crate::shared::Shared;
use crate::subject;
use crate::throttle::RareWarning;

/// Refusals that NATS has reported on a connection.
#[derive(Debug, Default)]
pub(crate) struct PermissionTracker {
    /// Open sessions by the subjects that they subscribe to.
    sessions: Mutex<Sessions>,
    /// Number of subscriptions that NATS has refused because there are too many.
    limit_hits: watch::Sender<u64>,
    /// True if no subscription is known to have succeeded since NATS refused one.
    pub(crate) is_full: watch::Sender<bool>,
    /// Number of sessions that may subscribe while `is_full`, because others have ended since the last refusal.
    places: AtomicUsize,
    /// Permissions that the program needs. Unset if it has not specified them.
    needed: OnceLock<Vec<Permission>>,
    missing: watch::Sender<Missing>,
    refused_replies: RareWarning,
    /// Missing permissions in the last report to servers.
    reported: Mutex<Vec<Permission>>,
    /// Peers whose sessions have ended without notifying them since the last report.
    left: Mutex<Vec<InstanceId>>,
}

/// Registration of a session. Dropping it unregisters the session.
#[derive(Debug)]
pub(crate) struct Registration {
    permissions: Arc<PermissionTracker>,
    subject: Box<str>,
    /// True once NATS is known to have accepted the subscription of the session on this connection.
    pub(crate) is_accepted: bool,
}

type Sessions = HashMap<Box<str>, Weak<Shared>>;

impl PermissionTracker {
    /// Registers a session, so that it ends when NATS refuses its subjects.
    pub(crate) fn register(self: &Arc<Self>, shared: &Arc<Shared>) -> Registration {
        let subject: Box<str> = shared.subjects.local.as_str().into();
        self.sessions.lock().insert(subject.clone(), Arc::downgrade(shared));
        Registration { permissions: Arc::clone(self), subject, is_accepted: false }
    }

    /// Sets the permissions that count as missing when NATS refuses them. Only the first call has an effect.
    pub(crate) fn require(&self, needed: Vec<Permission>) {
        let _ = self.needed.set(needed);
    }

    pub(crate) fn needed(&self) -> &[Permission] {
        self.needed.get().map_or(&[], Vec::as_slice)
    }

    /// Handles an error of NATS. Returns true if it is about a needed permission, which is logged once.
    pub(crate) fn on_error(&self, text: &str) -> bool {
        match Denial::parse(text) {
            None => false,
            Some(Denial::Subject(permission)) => {
                self.end_session(&permission);
                self.deny(permission.general()) || self.report_reply(&permission)
            }
            Some(Denial::SubscriptionLimit) => {
                self.limit_hits.send_modify(|hits| *hits += 1);
                self.places.store(0, Ordering::Relaxed);
                self.is_full.send_replace(true);
                let reason = format!("NATS refused a subscription: {text}");
                for session in self.open_sessions() {
                    session.update(|core, now| core.doubt(now, &reason));
                }
                false
            }
        }
    }

    /// Ends the session that uses the permission.
    fn end_session(&self, permission: &Permission) {
        let (subject, reason) = (permission.subject(), reason(permission.role(), [&permission.general()]));
        if !permission.is_for_data() {
            let is_of =
                |session: &&Arc<Shared>| session.diverted().is_some_and(|notices| **notices == *subject);
            for session in self.open_sessions().iter().filter(is_of) {
                session.on_publish_refused(subject, &reason);
            }
            return;
        }
        let Some(session) = self.session(&subject::refused_session(subject, permission.is_publish())) else {
            return;
        };
        if !permission.is_publish() {
            session.update(|core, now| core.abort(now, &reason));
            return;
        }
        if let Some(peer) = session.peer.filter(|_| self.is_for_client()) {
            let mut left = self.left.lock();
            if !left.contains(&peer) {
                left.push(peer);
            }
        }
        session.on_publish_refused(subject, &reason);
    }

    /// Returns the open session of this end that subscribes to `own`.
    pub(crate) fn session(&self, own: &str) -> Option<Arc<Shared>> {
        self.sessions.lock().get(own).and_then(Weak::upgrade)
    }

    /// Ends the sessions with a peer unless it answers. The reason is from a message, whose sender may be any member of
    /// the account.
    pub(crate) fn suspect(&self, peer: InstanceId, reason: &str) {
        for session in self.open_sessions() {
            if session.peer == Some(peer) {
                session.update(|core, now| core.suspect(now, reason));
            }
        }
    }

    /// Returns true if the program is a client, as far as its [needs](Self::require) are known.
    fn is_for_client(&self) -> bool {
        let is_of_client = |permission: &Permission| {
            permission.is_publish() && permission.subject().starts_with(subject::TO_SERVER)
        };
        self.needed().iter().any(is_of_client)
    }

    fn deny(&self, permission: Permission) -> bool {
        let needed = self.needed().iter().find(|needed| {
            needed.covers(permission.subject()) && needed.is_publish() == permission.is_publish()
        });
        let Some(needed) = needed else { return false };
        self.missing.send_modify(|missing| {
            if missing.deny(needed.clone()) {
                warn!(missing = %needed, "NATS refuses a right that is needed; the command check prints all of them");
            }
        });
        true
    }

    /// Logs that a server may not reply to a client. The server stays ready, because any member of the account can send
    /// a request with a reply subject that the server may not publish to.
    fn report_reply(&self, permission: &Permission) -> bool {
        let is_server = self.needed().iter().any(|needed| !needed.is_publish() && needed.is_for_requests());
        let is_reply = permission.is_publish() && permission.is_for_inboxes();
        if is_server
            && is_reply
            && let Some(more) = self.refused_replies.pass()
        {
            warn!(
                subject = permission.subject(),
                permission = %permission.general(),
                more,
                "NATS refused a reply; if clients have such inboxes, give this user the permission"
            );
        }
        is_server && is_reply
    }

    fn end_round(&self) {
        self.missing.send_if_modified(|missing| {
            let is_changed = missing.end_round();
            if is_changed && missing.is_empty() {
                info!("NATS permissions are complete again");
            }
            is_changed
        });
    }

    /// Returns the missing permissions and their changes.
    pub(crate) fn missing(&self) -> watch::Receiver<Missing> {
        self.missing.subscribe()
    }

    /// Returns why requests on `subject` are not possible, or `None` if no permission for them is missing.
    pub(crate) fn obstacle(&self, role: &str, subject: &str) -> Option<String> {
        let missing = self.missing.borrow();
        let is_in_the_way =
            |permission: &&Permission| permission.subject() == subject || !permission.is_for_requests();
        let mut in_the_way = missing.iter().filter(is_in_the_way).peekable();
        in_the_way.peek().is_some().then(|| reason(role, in_the_way))
    }

    /// Waits until there is an [`Self::obstacle`], and returns it.
    pub(crate) async fn wait_obstacle(&self, role: &str, subject: &str) -> String {
        let mut missing = self.missing.subscribe();
        loop {
            if let Some(obstacle) = self.obstacle(role, subject) {
                return obstacle;
            }
            // Never an error, because `self` has the sender.
            let _ = missing.changed().await;
        }
    }

    /// Returns the number of subscriptions that NATS has refused because there are too many.
    pub(crate) fn limit_hits(&self) -> watch::Receiver<u64> {
        self.limit_hits.subscribe()
    }

    pub(crate) fn open_sessions(&self) -> Vec<Arc<Shared>> {
        self.sessions.lock().values().filter_map(Weak::upgrade).collect()
    }
}

fn reason<'a>(role: &str, missing: impl IntoIterator<Item = &'a Permission>) -> String {
    let missing: Vec<_> = missing.into_iter().map(ToString::to_string).collect();
    format!("NATS permission missing: the {role} may not {}", missing.join(", "))
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.permissions.sessions.lock().remove(&self.subject);
        if self.is_accepted {
            self.permissions.free_place();
        }
    }
}
