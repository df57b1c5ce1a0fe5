//! Reports of a client's missing permissions to servers, because no session can carry them.

use std::time::Duration;

use async_nats::Subject;
use futures_util::StreamExt as _;
use tokio::time::timeout;
use tracing::debug;

use super::{Permission, PermissionTracker, reason};
use crate::connect::refusals::Refusals;
use crate::handshake::Reply;
use crate::id::InstanceId;
use crate::tunnels::Tunnels;

/// Time limit for a server to confirm a report.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

impl Tunnels {
    /// Reports missing permissions to a server, which logs them. If they are permissions to the subjects of sessions, reports
    /// them to all servers that this client has sessions with, as far as NATS delivers the report to them.
    pub(super) async fn report(&self) {
        let (client, permissions) = (self.inner.link.client(), self.inner.link.permissions());
        let Some(report) = permissions.take_report() else { return };
        let missing: Vec<_> = permissions.missing().borrow().iter().cloned().collect();
        let is_unable = missing.iter().any(Permission::is_for_data);
        let unable = is_unable.then_some(self.inner.instance);
        let mut servers = if is_unable { permissions.take_peers() } else { Vec::new() };
        let inbox = Subject::from(client.new_inbox());
        let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return };
        let is_usable = |permission: &&Permission| {
            permission.is_publish() && permission.is_for_requests() && !missing.contains(permission)
        };
        for permission in permissions.needed().iter().filter(is_usable) {
            let mut confirmed = Refusals::default();
            loop {
                if !self.publish_check(permission, &inbox, &report, unable).await {
                    return debug!("cannot report missing rights");
                }
                if servers.is_empty() {
                    return;
                }
                let Ok(Some(answer)) = timeout(CONFIRM_TIMEOUT, answers.next()).await else { break };
                let Ok(Some(server)) = Reply::parse(&answer.payload).map(|reply| reply.server()) else {
                    break;
                };
                servers.retain(|other| *other != server);
                if servers.is_empty() {
                    return;
                }
                if !confirmed.add(Some(server), String::new()) {
                    break;
                }
            }
        }
    }
}

impl PermissionTracker {
    /// Returns the missing permissions of a client that servers have not been notified of yet.
    fn take_report(&self) -> Option<String> {
        if !self.is_for_client() {
            return None;
        }
        let missing: Vec<_> = self.missing.borrow().iter().cloned().collect();
        let mut reported = self.reported.lock();
        let is_new = *reported != missing;
        reported.clone_from(&missing);
        (is_new && !missing.is_empty()).then(|| reason("client", &missing))
    }

    /// Returns the peers of open sessions, and of sessions that have ended without notifying them.
    fn take_peers(&self) -> Vec<InstanceId> {
        let mut peers = std::mem::take(&mut *self.left.lock());
        peers.extend(self.open_sessions().iter().filter_map(|session| session.peer));
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}
