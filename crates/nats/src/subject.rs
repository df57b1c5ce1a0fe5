//! Subjects of the protocol.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Subject of requests for sessions.
pub(crate) const REQUEST: &str = "proxy.request";
/// Queue group in which servers share requests.
pub(crate) const QUEUE_GROUP: &str = "nats-proxy-server";
const SERVICE: &str = "proxy.service.";
pub(crate) const TO_SERVER: &str = "p.data.to_server.";
pub(crate) const TO_CLIENT: &str = "p.data.to_client.";
const PACING: &str = "pace-";
const MAX_NAME: usize = 64;

pub(crate) fn to_server(token: &str) -> String {
    format!("{TO_SERVER}{token}")
}

pub(crate) fn to_client(token: &str) -> String {
    format!("{TO_CLIENT}{token}")
}

/// Returns true for the subject of a session, or of other messages of its ends.
pub(crate) fn is_session(subject: &str) -> bool {
    subject.starts_with(TO_SERVER) || subject.starts_with(TO_CLIENT)
}

/// Returns true for the subjects of requests for sessions.
pub(crate) fn is_request(subject: &str) -> bool {
    subject == REQUEST || subject.starts_with(SERVICE)
}

/// Returns the last token of a subject.
pub(crate) fn last_token(subject: &str) -> &str {
    subject.rsplit('.').next().unwrap_or(subject)
}

/// Returns true if a message can be published to this subject: tokens and dots, without wildcards.
pub(crate) fn is_literal(subject: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && !word.contains(|c: char| "*>".contains(c) || c.is_whitespace());
    subject.split('.').all(is_word)
}

/// Returns the subject of the session's end that may not publish to `subject`, or that may not subscribe to it if
/// `is_publish` is false.
pub(crate) fn refused_session(subject: &str, is_publish: bool) -> String {
    let last = last_token(subject);
    let id = last.strip_prefix(PACING).unwrap_or(last);
    if subject.starts_with(TO_SERVER) == is_publish { to_client(id) } else { to_server(id) }
}

/// Returns the last token of the subjects on which a session of the plain protocol paces itself.
pub(crate) fn pacing(id: &str) -> String {
    format!("{PACING}{id}")
}

/// Returns the subject of requests for a service.
pub(crate) fn service(name: &ServiceName) -> String {
    format!("{SERVICE}{name}")
}

/// Returns the service of a request's subject.
pub(crate) fn named_service(subject: &str) -> Option<ServiceName> {
    subject.strip_prefix(SERVICE)?.parse().ok()
}

/// Name of a service that servers offer: letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName(Box<str>);

impl FromStr for ServiceName {
    type Err = InvalidServiceName;

    fn from_str(text: &str) -> Result<Self, InvalidServiceName> {
        let is_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(is_ok) {
            return Err(InvalidServiceName(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Error for a text that is not the name of a service.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a service name: use 1 to {MAX_NAME} letters, digits, `-` and `_`")]
pub struct InvalidServiceName(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_as_captured() {
        assert_eq!(to_server("93e6cb0299a5e8f4"), "p.data.to_server.93e6cb0299a5e8f4");
        assert_eq!(to_client("93e6cb0299a5e8f4"), "p.data.to_client.93e6cb0299a5e8f4");
    }

    #[test]
    fn a_refused_subject_leads_to_the_end_that_uses_it() {
        for (subject, is_publish, own) in [
            ("p.data.to_server.ID", true, "p.data.to_client.ID"),
            ("p.data.to_client.ID", false, "p.data.to_client.ID"),
            ("p.data.to_client.pace-ID", true, "p.data.to_server.ID"),
            ("p.data.to_server.pace-ID", false, "p.data.to_server.ID"),
        ] {
            assert_eq!(refused_session(subject, is_publish), own, "{subject} {is_publish}");
        }
    }

    #[test]
    fn a_subject_to_publish_to_is_words_and_dots() {
        assert!(["_INBOX", "_INBOX_a.b"].into_iter().all(is_literal));
        assert!(!["", "a.", ".a", "a..b", "a b", "a.*", ">", "a\r\n"].into_iter().any(is_literal));
    }

    #[test]
    fn the_subject_of_a_service_contains_its_name() {
        let name: ServiceName = "redis-1".parse().unwrap();
        assert_eq!(named_service(&service(&name)), Some(name));
        assert_eq!(named_service(REQUEST), None);
    }

    #[test]
    fn names_are_tokens() {
        for text in ["", "a b", "a.b", "*", ">", "é", &"a".repeat(65)] {
            assert!(text.parse::<ServiceName>().is_err(), "{text}");
        }
    }
}
