//! The permissions that a program needs, and those of them that are missing.

use std::collections::BTreeMap;

use super::Permission;
use crate::handshake::Target;
use crate::subject::{self, ServiceName};

/// Role of a program on NATS. It determines the permissions that the program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Requests these targets from servers.
    Client(Vec<Target>),
    /// Receives requests, including those for these services.
    Server(Vec<ServiceName>),
}

impl Needs {
    /// Returns the permissions of a user with this inbox prefix. A server must also be able to publish to the inboxes of its
    /// clients.
    pub(crate) fn permissions(&self, inbox_prefix: &str) -> Vec<Permission> {
        let (to_server, to_client) = (subject::to_server("*"), subject::to_client("*"));
        match self {
            Self::Client(targets) => {
                let mut requests: Vec<_> = targets.iter().map(Target::subject).collect();
                requests.sort();
                requests.dedup();
                let requests = requests.into_iter().map(Permission::publish);
                let inbox = Permission::subscribe(format!("{inbox_prefix}.>"));
                requests
                    .chain([Permission::publish(to_server), Permission::subscribe(to_client), inbox])
                    .collect()
            }
            Self::Server(services) => {
                let requests =
                    [subject::REQUEST.to_owned()].into_iter().chain(services.iter().map(subject::service));
                requests
                    .map(Permission::subscribe)
                    .chain([Permission::subscribe(to_server), Permission::publish(to_client)])
                    .collect()
            }
        }
    }

    /// As [`Self::permissions`]. For a server, it also returns the permission to answer clients with this inbox prefix.
    pub(crate) fn permissions_with_replies(&self, inbox_prefix: &str) -> Vec<Permission> {
        let mut permissions = self.permissions(inbox_prefix);
        if let Self::Server(_) = self {
            permissions.push(Permission::publish(format!("{inbox_prefix}.>")));
        }
        permissions
    }
}

/// The permissions that NATS has refused, each with the round of checks in which it was last refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    permissions: BTreeMap<Permission, u64>,
    round: u64,
}

impl Missing {
    /// Records that NATS has refused this permission. Returns true if it was not missing before.
    pub(super) fn deny(&mut self, permission: Permission) -> bool {
        self.permissions.insert(permission, self.round).is_none()
    }

    /// Begins a round, in which all permissions are used.
    pub(super) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Ends a round. Permissions that NATS has not refused in it are not missing any more. Returns true if that changes
    /// anything.
    pub(super) fn end_round(&mut self) -> bool {
        let before = self.permissions.len();
        self.permissions.retain(|_, round| *round == self.round);
        self.permissions.len() != before
    }

    /// Returns true if NATS has refused a permission since the round began.
    pub(super) fn is_denied_in_round(&self) -> bool {
        self.permissions.values().any(|round| *round == self.round)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.permissions.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.keys()
    }

    /// Returns true if NATS refuses a subscription to this subject.
    pub(crate) fn refuses_subscription(&self, subject: &str) -> bool {
        self.iter().any(|permission| !permission.is_publish() && permission.covers(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(needs: &Needs) -> Vec<String> {
        needs.permissions("_INBOX.own").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_role_needs_its_part() {
        let host = |port| Target::Host { host: "db".to_owned(), port };
        let service: ServiceName = "cache".parse().unwrap();
        assert_eq!(
            permissions(&Needs::Client(vec![host(1), Target::Service(service.clone()), host(2)])),
            [
                "publish to proxy.request",
                "publish to proxy.service.cache",
                "publish to p.data.to_server.*",
                "subscribe to p.data.to_client.*",
                "subscribe to _INBOX.own.>",
            ]
        );
        assert_eq!(
            permissions(&Needs::Server(vec![service])),
            [
                "subscribe to proxy.request",
                "subscribe to proxy.service.cache",
                "subscribe to p.data.to_server.*",
                "publish to p.data.to_client.*",
            ]
        );
    }

    #[test]
    fn a_round_without_a_refusal_brings_a_permission_back() {
        let (one, other) = (Permission::publish("a"), Permission::subscribe("a"));
        let mut missing = Missing::default();
        assert!(missing.deny(one.clone()) && missing.deny(other.clone()) && !missing.deny(one.clone()));
        missing.begin_round();
        assert!(!missing.is_denied_in_round() && !missing.deny(one.clone()) && missing.is_denied_in_round());
        assert!(missing.end_round() && !missing.end_round());
        assert_eq!(missing.iter().collect::<Vec<_>>(), [&one]);
        assert!(!missing.refuses_subscription("a"));
        missing.begin_round();
        assert!(missing.end_round() && missing.is_empty());
    }
}
