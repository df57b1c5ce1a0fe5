//! Validation of options.

use super::{Credential, LinkError, MIN_MESSAGE, NatsOptions, login};
use crate::handshake::MAX_INBOX;
use crate::subject;

/// Maximum length of an inbox prefix, in bytes. async-nats adds 23 bytes.
pub(super) const MAX_INBOX_PREFIX: usize = MAX_INBOX - 23;

impl NatsOptions {
    /// Validates the options without connecting. [`NatsConnection::connect`](super::NatsConnection::connect) does this
    /// too.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no URL, credentials differ, the inbox prefix is invalid, or a file cannot be read
    /// or used.
    pub fn check(&self) -> Result<(), LinkError> {
        if self.urls.is_empty() {
            return Err(LinkError::NoUrl);
        }
        if self.inbox_prefix.len() > MAX_INBOX_PREFIX || !subject::is_literal(&self.inbox_prefix) {
            return Err(LinkError::InboxPrefix(self.inbox_prefix.clone()));
        }
        if self.max_message < MIN_MESSAGE {
            return Err(LinkError::MaxMessage { given: self.max_message, needed: MIN_MESSAGE });
        }
        let in_clear = self.urls.iter().find(|url| url.server().scheme() == "ws");
        if let Some(url) = in_clear.filter(|_| self.is_tls_required()) {
            return Err(LinkError::InClear { url: url.to_string() });
        }
        match self.the_credential()? {
            Credential::CredsFile(path) => login::read_creds(path).map(drop),
            _ => Ok(()),
        }
    }

    /// Returns true if no byte may be sent in clear. For async-nats, a `tls://` URL only applies to that server, and
    /// not to the servers that it announces.
    pub(super) fn is_tls_required(&self) -> bool {
        let tls = &self.tls;
        let by_scheme = self.urls.iter().any(|url| matches!(url.server().scheme(), "tls" | "wss"));
        tls.required || tls.first || by_scheme || tls.config.is_some()
    }

    /// Returns the only credential, which is set in the options or in a URL.
    pub(super) fn the_credential(&self) -> Result<&Credential, LinkError> {
        let mut found = &self.credential;
        for url in &self.urls {
            let own = url.credential();
            if *found == Credential::None {
                found = own;
            } else if *own != Credential::None && own != found {
                return Err(LinkError::TwoCredentials { url: url.to_string() });
            }
        }
        Ok(found)
    }

    /// Returns the URLs for messages, without credentials.
    pub(super) fn shown_urls(&self) -> String {
        self.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(urls: &[&str], credential: Credential) -> NatsOptions {
        let mut options = NatsOptions::new(urls.iter().map(|url| url.parse().unwrap()), "test");
        options.credential = credential;
        options
    }

    fn ann(password: &str) -> Credential {
        Credential::UserPassword { user: "ann".to_owned(), password: password.to_owned() }
    }

    #[test]
    fn credentials_are_one_wherever_they_are_given() {
        for (urls, given) in [
            (["nats://ann:sesame@a", "nats://b"], ann("sesame")),
            (["nats://ann:sesame@a", "nats://b"], Credential::None),
            (["nats://a", "nats://ann:sesame@b"], Credential::None),
            (["nats://ann:sesame@a", "nats://ann:sesame@b"], Credential::None),
            (["nats://a", "nats://b"], ann("sesame")),
        ] {
            let options = options(&urls, given);
            options.check().unwrap();
            assert_eq!(options.the_credential().unwrap(), &ann("sesame"), "{urls:?}");
            assert_eq!(options.shown_urls(), "nats://a, nats://b");
        }
    }

    #[test]
    fn an_inbox_prefix_leaves_room_for_the_rest_of_the_inbox() {
        let mut options = options(&["a"], Credential::None);
        options.inbox_prefix = "x".repeat(233);
        options.check().unwrap();
        options.inbox_prefix.push('x');
        assert!(matches!(options.check().unwrap_err(), LinkError::InboxPrefix(_)));
    }

    #[test]
    fn a_web_socket_in_clear_is_refused_where_tls_is_required() {
        options(&["ws://a"], Credential::None).check().unwrap();
        options(&["wss://a", "tls://b"], Credential::None).check().unwrap();
        let mut required = options(&["ws://a"], Credential::None);
        required.tls.required = true;
        for options in [required, options(&["ws://a", "wss://b"], Credential::None)] {
            let error = options.check().unwrap_err();
            assert!(matches!(&error, LinkError::InClear { url } if url == "ws://a"), "{error}");
        }
    }

    #[test]
    fn credentials_that_differ_are_refused_without_being_shown() {
        for (urls, given) in [
            (["nats://ann:open@a", "nats://b"], ann("sesame")),
            (["nats://ann:sesame@a", "nats://ann:open@b"], Credential::None),
            (["nats://sesame@a", "nats://open@b"], Credential::None),
        ] {
            let error = options(&urls, given).check().unwrap_err();
            assert!(matches!(error, LinkError::TwoCredentials { .. }), "{error}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("open") && !shown.contains("sesame"), "{shown}");
        }
    }
}
