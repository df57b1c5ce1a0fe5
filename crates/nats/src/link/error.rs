//! Errors of the connection to NATS.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::check::MAX_INBOX_PREFIX;

/// Error of [`NatsConnection::connect`](super::NatsConnection::connect). Its URLs do not contain credentials.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no URL.
    #[error("no NATS URL: give at least one, such as nats://127.0.0.1:4222")]
    NoUrl,
    /// A URL contains credentials that differ from those of another URL or of the options.
    #[error(
        "`{url}` contains credentials that differ from others given: all servers of a cluster need the same user"
    )]
    TwoCredentials {
        /// The URL without its credentials.
        url: String,
    },
    /// TLS is required, but this URL does not use it.
    #[error("`{url}` has no TLS, which other options require: write wss://")]
    InClear {
        /// The URL without its credentials.
        url: String,
    },
    /// The inbox prefix is not a valid subject.
    #[error(
        "`{0}` is not an inbox prefix: use words joined by dots, without spaces, `*` and `>`, of at most {MAX_INBOX_PREFIX} bytes"
    )]
    InboxPrefix(String),
    /// A file of credentials cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refuses the login.
    #[error("NATS at {urls} refuses {credential}")]
    Refused {
        /// The URLs that were tried.
        urls: String,
        /// Kind of credential that the server refuses, and what to check.
        credential: &'static str,
    },
    /// TLS with the server failed.
    #[error(
        "no TLS with NATS at {urls}: {}; check the CA file, the client certificate, and that the server \
         speaks TLS under that name",
        one_line(reason)
    )]
    Tls {
        /// The URLs that were tried.
        urls: String,
        /// Error of rustls.
        reason: String,
    },
    /// The server does not accept the shortest messages that sessions need.
    #[error(
        "NATS at {urls} accepts messages of up to {max_payload} bytes, and {needed} are required: raise max_payload there"
    )]
    MaxPayload {
        /// The URLs that were tried.
        urls: String,
        /// Maximum size of a message that the server accepts, in bytes.
        max_payload: usize,
        /// Smallest size that sessions work with, in bytes.
        needed: usize,
    },
    /// The server refuses the shortest messages that sessions need.
    #[error(
        "NATS refuses messages of {size} bytes, which are required: raise the payload limit of the account or user"
    )]
    MessagesRefused {
        /// Size of the messages in bytes.
        size: usize,
    },
    /// The configured limit of messages is too small.
    #[error("messages of at most {given} bytes are too short: set {needed} bytes or more")]
    MaxMessage {
        /// Configured size in bytes.
        given: usize,
        /// Smallest size that sessions work with, in bytes.
        needed: usize,
    },
    /// No server answered in time.
    #[error("cannot connect to NATS at {urls}{}: {}; {hint}", effort(*attempts, *within), one_line(reason))]
    Unreachable {
        /// The URLs that were tried.
        urls: String,
        /// Time limit.
        within: Duration,
        /// Number of attempts.
        attempts: u32,
        /// Error of the last attempt. It may contain what the server sent.
        reason: String,
        /// How to solve the problem.
        hint: &'static str,
    },
}

fn effort(attempts: u32, within: Duration) -> String {
    match attempts {
        0..=1 => String::new(),
        attempts => format!(" after {attempts} attempts in {within:?}"),
    }
}

/// Escapes the control characters of a text that may contain what a server sent.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_named_if_there_was_more_than_one() {
        for (attempts, within, expected) in [
            (1, Duration::ZERO, "cannot connect to NATS at a:4222: no answer; look at it"),
            (
                20,
                Duration::from_secs(10),
                "cannot connect to NATS at a:4222 after 20 attempts in 10s: no answer; look at it",
            ),
        ] {
            let (urls, reason) = ("a:4222".to_owned(), "no answer".to_owned());
            let error = LinkError::Unreachable { urls, within, attempts, reason, hint: "look at it" };
            assert_eq!(error.to_string(), expected);
        }
    }
}
