//! Errors with which NATS refuses a permission or a subscription.

use std::fmt;

use crate::subject;

const PERMISSIONS: &str = "permissions violation for ";
const SUBSCRIPTIONS: &str = "maximum subscriptions exceeded";

/// An error of NATS about the permissions or limits of this connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// The user does not have this permission.
    Subject(Permission),
    /// There are too many subscriptions. The error does not contain the one that was refused.
    SubscriptionLimit,
}

impl Denial {
    /// Returns `None` for other errors.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        if lower.contains(SUBSCRIPTIONS) {
            return Some(Self::SubscriptionLimit);
        }
        let at = lower.find(PERMISSIONS)? + PERMISSIONS.len();
        let operation = match &lower[at..] {
            rest if rest.starts_with("publish") => Operation::Publish,
            rest if rest.starts_with("subscription") => Operation::Subscribe,
            _ => return None,
        };
        let subject = text[at..].split('"').nth(1)?;
        Some(Self::Subject(Permission { operation, subject: subject.into() }))
    }
}

/// A permission that the NATS user of a program needs. Displays as `publish to SUBJECT` or `subscribe to SUBJECT`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    operation: Operation,
    subject: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Publish,
    Subscribe,
}

impl Permission {
    pub(super) fn publish(subject: impl Into<Box<str>>) -> Self {
        Self { operation: Operation::Publish, subject: subject.into() }
    }

    pub(super) fn subscribe(subject: impl Into<Box<str>>) -> Self {
        Self { operation: Operation::Subscribe, subject: subject.into() }
    }

    /// Returns true for a permission to the subjects of sessions.
    pub fn is_for_data(&self) -> bool {
        subject::is_session(&self.subject)
    }

    pub(super) fn is_for_requests(&self) -> bool {
        subject::is_request(&self.subject)
    }

    pub(super) fn is_for_inboxes(&self) -> bool {
        !self.is_for_data() && !self.is_for_requests()
    }

    /// Returns the subject as the configuration of nats-server has it, with the queue group if there is one.
    pub fn in_config(&self) -> String {
        if !self.is_publish() && self.is_for_requests() {
            return format!("{} {}", self.subject, subject::QUEUE_GROUP);
        }
        self.subject.to_string()
    }

    /// Returns true if the permission includes `subject`. A permission with a wildcard includes the subjects of all sessions.
    pub(super) fn covers(&self, subject: &str) -> bool {
        let stem = self.subject.strip_suffix(['*', '>']);
        stem.map_or_else(|| *self.subject == *subject, |stem| subject.starts_with(stem))
    }

    /// Returns the subject, which may contain wildcards.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns true for a permission to publish, and false for a permission to subscribe.
    pub fn is_publish(&self) -> bool {
        self.operation == Operation::Publish
    }

    /// Returns the permission as a configuration grants it: for the subject of any session, and for any inbox.
    pub(super) fn general(&self) -> Self {
        let subject = match self.subject.rsplit_once('.') {
            Some((stem, _)) if self.is_for_data() => format!("{stem}.*"),
            Some((stem, _)) if self.is_for_inboxes() => format!("{stem}.>"),
            _ => self.subject.to_string(),
        };
        Self { operation: self.operation, subject: subject.into() }
    }

    /// Returns the program that needs the permission.
    pub(super) fn role(&self) -> &'static str {
        let is_of_server = match self.operation {
            Operation::Publish => self.subject.starts_with(subject::TO_CLIENT),
            Operation::Subscribe => self.subject.starts_with(subject::TO_SERVER) || self.is_for_requests(),
        };
        if is_of_server { "server" } else { "client" }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = if self.is_publish() { "publish" } else { "subscribe" };
        write!(f, "{operation} to {}", self.subject)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(text: &str) -> Permission {
        match Denial::parse(text) {
            Some(Denial::Subject(permission)) => permission,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn permissions_errors_of_all_versions_name_the_permission() {
        for (text, wanted, role) in [
            (
                r#"Permissions Violation for Publish to "p.data.to_server.ID""#,
                "publish to p.data.to_server.*",
                "client",
            ),
            (
                r#"nats: permissions violation for publish to "p.data.to_client.ID""#,
                "publish to p.data.to_client.*",
                "server",
            ),
            (
                r#"Permissions Violation for Subscription to "p.data.to_client.ID""#,
                "subscribe to p.data.to_client.*",
                "client",
            ),
            (
                r#"Permissions Violation for Subscription to "proxy.request" using queue "nats-proxy-server""#,
                "subscribe to proxy.request",
                "server",
            ),
            (
                r#"Permissions Violation for Subscription to "p.data.to_server.ID" (sid "7")"#,
                "subscribe to p.data.to_server.*",
                "server",
            ),
            (
                r#"Permissions Violation for Subscription to "_INBOX.own.abc""#,
                "subscribe to _INBOX.own.>",
                "client",
            ),
            (
                r#"Permissions Violation for Publish to "proxy.service.db""#,
                "publish to proxy.service.db",
                "client",
            ),
        ] {
            let permission = permission(text);
            assert_eq!(
                (permission.general().to_string().as_str(), permission.role()),
                (wanted, role),
                "{text}"
            );
        }
    }

    #[test]
    fn other_errors_name_none() {
        assert_eq!(Denial::parse("'maximum subscriptions exceeded'"), Some(Denial::SubscriptionLimit));
        for text in [
            "",
            "maximum payload exceeded",
            "Permissions Violation for Publish to",
            "permissions violation for something to \"x\"",
            "Stale Connection",
        ] {
            assert_eq!(Denial::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_error_makes_it_panic(text in "\\PC*", subject in "\\PC*") {
            Denial::parse(&text);
            let violation = format!("Permissions Violation for Publish to \"{subject}\"");
            if let Some(Denial::Subject(permission)) = Denial::parse(&violation) {
                permission.general();
                permission.role();
            }
        }
    }
}
