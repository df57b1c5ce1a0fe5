//! URLs of NATS servers, and the credentials in them.
//!
//! async-nats ignores the credentials in a URL, and shows the whole URL in its debug log, so they are removed here.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Url;

use super::Credential;

/// URL of a NATS server, optionally with a credential: `nats://host:4222`, `tls://host` for TLS, `host:port`, or
/// `ws://host` and `wss://host` for a WebSocket without and with TLS.
///
/// `nats://user:password@host` contains a user and a password, and `nats://token@host` a token, in percent-encoding.
/// Neither `Display` nor `Debug` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl {
    /// The URL without the credential.
    server: ServerAddr,
    credential: Credential,
}

impl NatsUrl {
    /// Returns the credential in the URL, or [`Credential::None`].
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    pub(super) fn server(&self) -> &ServerAddr {
        &self.server
    }
}

impl FromStr for NatsUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        parse(text.trim()).map_err(|problem| InvalidUrl { problem })
    }
}

/// Error for a text that is not a URL of a NATS server. It does not show the text, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}; write nats://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT")]
pub struct InvalidUrl {
    problem: String,
}

/// Percent-encoded characters for the hint of an error.
const ESCAPES: &str = "in a password, / ? # @ , are %2F %3F %23 %40 %2C";

fn parse(text: &str) -> Result<NatsUrl, String> {
    let parsed = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("nats://{text}")) };
    let mut url = parsed.map_err(|error| match error {
        // A password that is cut off at one of these characters is parsed as a port.
        url::ParseError::InvalidPort => format!("{error} ({ESCAPES})"),
        error => error.to_string(),
    })?;
    if !["nats", "tls", "ws", "wss"].contains(&url.scheme()) {
        return Err("the scheme is not nats, tls, ws or wss".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("missing host".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("more than a host and a port ({ESCAPES})"));
    }
    let credential = match (url.username(), url.password()) {
        ("", None) => Credential::None,
        (token, None) => Credential::Token(decoded(token)?),
        (user, Some(password)) => {
            Credential::UserPassword { user: decoded(user)?, password: decoded(password)? }
        }
    };
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| "it cannot have credentials".to_owned())?;
    let server = ServerAddr::from_url(url).map_err(|error| error.to_string())?;
    Ok(NatsUrl { server, credential })
}

fn decoded(text: &str) -> Result<String, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("the user or the password is not UTF-8".to_owned()),
    }
}

/// Shows the URL without the credential.
impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.server.as_url_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NatsUrl").field(&self.to_string()).field(&self.credential).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: &str, password: &str) -> Credential {
        Credential::UserPassword { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn credentials_leave_the_url() {
        for (text, shown, credential) in [
            ("localhost", "nats://localhost", Credential::None),
            ("localhost:4222", "nats://localhost:4222", Credential::None),
            (" tls://[::1]:4222", "tls://[::1]:4222", Credential::None),
            ("nats://10.0.0.1:4223/", "nats://10.0.0.1:4223", Credential::None),
            ("ann:sesame@[::1]:4222", "nats://[::1]:4222", user("ann", "sesame")),
            ("tls://ann:a%40b%2Fc%25@host", "tls://host", user("ann", "a@b/c%")),
            ("ws://ann:sesame@host:8443", "ws://host:8443", user("ann", "sesame")),
            ("wss://host", "wss://host", Credential::None),
            ("nats://ann:@host", "nats://host", Credential::Token("ann".to_owned())),
            ("nats://t0k%3An@host", "nats://host", Credential::Token("t0k:n".to_owned())),
        ] {
            let url: NatsUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(url.credential(), &credential, "{text}");
            assert_eq!(url.server().tls_required(), shown.starts_with("tls:"), "{text}");
            assert!(!url.server().as_url_str().contains('@'), "{text}");
            let debug = format!("{url:?}");
            assert!(
                !["sesame", "a@b", "a%40b", "t0k"].iter().any(|secret| debug.contains(secret)),
                "{debug}"
            );
        }
    }

    #[test]
    fn an_invalid_url_is_refused_without_showing_a_secret() {
        for text in [
            "",
            "nats://",
            "http://ann:sesame@host",
            "nats://ann:sesame/x@host",
            "nats://ann:sesame#x@host",
            "nats://ann:1/sesame@host",
            "nats://ann:sesame@host/path",
            "ann:sesame://x@host",
            "sesame://x@host",
            "nats://host/?password=sesame",
            "nats://ann:sesame%FF@host",
            "nats://ann:sesame@ho st",
            "nats://ann:sesame@host:99999",
        ] {
            let Err(error) = text.parse::<NatsUrl>() else { panic!("{text} was taken") };
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("nats://HOST:PORT") && !shown.contains("sesame"), "{shown}");
        }
    }
}
