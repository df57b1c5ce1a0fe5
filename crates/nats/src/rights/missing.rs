//! The rights that a program needs, and those of them that are missing.

use std::collections::BTreeMap;

use super::Right;
use crate::handshake::Target;
use crate::subject::{self, ServiceName};

/// Role of a program on NATS. It determines the rights that the program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Requests these targets from servers.
    Client(Vec<Target>),
    /// Receives requests, including those for these services.
    Server(Vec<ServiceName>),
}

impl Needs {
    /// Returns the rights of a user with this inbox prefix. A server must also be able to publish to the inboxes of its
    /// clients.
    pub(crate) fn rights(&self, inbox_prefix: &str) -> Vec<Right> {
        let (to_server, to_client) = (subject::to_server("*"), subject::to_client("*"));
        match self {
            Self::Client(targets) => {
                let mut requests: Vec<_> = targets.iter().map(Target::subject).collect();
                requests.sort();
                requests.dedup();
                let requests = requests.into_iter().map(Right::publish);
                let inbox = Right::subscribe(format!("{inbox_prefix}.>"));
                requests.chain([Right::publish(to_server), Right::subscribe(to_client), inbox]).collect()
            }
            Self::Server(services) => {
                let requests =
                    [subject::REQUEST.to_owned()].into_iter().chain(services.iter().map(subject::service));
                requests
                    .map(Right::subscribe)
                    .chain([Right::subscribe(to_server), Right::publish(to_client)])
                    .collect()
            }
        }
    }

    /// As [`Self::rights`]. For a server, it also returns the right to answer clients with this inbox prefix.
    pub(crate) fn rights_with_replies(&self, inbox_prefix: &str) -> Vec<Right> {
        let mut rights = self.rights(inbox_prefix);
        if let Self::Server(_) = self {
            rights.push(Right::publish(format!("{inbox_prefix}.>")));
        }
        rights
    }
}

/// The rights that NATS has refused, each with the round of checks in which it was last refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    rights: BTreeMap<Right, u64>,
    round: u64,
}

impl Missing {
    /// Records that NATS has refused this right. Returns true if it was not missing before.
    pub(super) fn deny(&mut self, right: Right) -> bool {
        self.rights.insert(right, self.round).is_none()
    }

    /// Begins a round, in which all rights are used.
    pub(super) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Ends a round. Rights that NATS has not refused in it are not missing any more. Returns true if that changes
    /// anything.
    pub(super) fn end_round(&mut self) -> bool {
        let before = self.rights.len();
        self.rights.retain(|_, round| *round == self.round);
        self.rights.len() != before
    }

    /// Returns true if NATS has refused a right since the round began.
    pub(super) fn is_denied_in_round(&self) -> bool {
        self.rights.values().any(|round| *round == self.round)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rights.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Right> {
        self.rights.keys()
    }

    /// Returns true if NATS refuses a subscription to this subject.
    pub(crate) fn refuses_subscription(&self, subject: &str) -> bool {
        self.iter().any(|right| !right.is_publish() && right.covers(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(needs: &Needs) -> Vec<String> {
        needs.rights("_INBOX.own").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_role_needs_its_part() {
        let host = |port| Target::Host { host: "db".to_owned(), port };
        let service: ServiceName = "cache".parse().unwrap();
        assert_eq!(
            rights(&Needs::Client(vec![host(1), Target::Service(service.clone()), host(2)])),
            [
                "publish to proxy.request",
                "publish to proxy.service.cache",
                "publish to p.data.to_server.*",
                "subscribe to p.data.to_client.*",
                "subscribe to _INBOX.own.>",
            ]
        );
        assert_eq!(
            rights(&Needs::Server(vec![service])),
            [
                "subscribe to proxy.request",
                "subscribe to proxy.service.cache",
                "subscribe to p.data.to_server.*",
                "publish to p.data.to_client.*",
            ]
        );
    }

    #[test]
    fn a_round_without_a_refusal_brings_a_right_back() {
        let (one, other) = (Right::publish("a"), Right::subscribe("a"));
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
