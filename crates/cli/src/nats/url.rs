use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::{Error, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Credential;
use crate::secret::Secret;

const FORMS: &str = "write nats://HOST:PORT, or tls://HOST:PORT";

/// Where a NATS server is, and perhaps who asks.
///
/// A user with a password is that; a user without one is a token. Neither is part of what is displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsUrl {
    url: String,
    pub(super) credential: Option<Credential>,
}

impl FromStr for NatsUrl {
    type Err = String;

    /// The error does not show the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parsed =
            if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("nats://{text}")) };
        let mut url = parsed.map_err(|error| format!("{error}; {FORMS}"))?;
        if !["nats", "tls"].contains(&url.scheme()) {
            return Err(format!("`{}` is no scheme of NATS; {FORMS}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("missing host; {FORMS}"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("more than a host and a port; {FORMS}"));
        }
        let credential = credential(&url)?;
        let is_cleared = url.set_password(None).and_then(|()| url.set_username("")).is_ok();
        if !is_cleared {
            return Err(FORMS.to_owned());
        }
        Ok(Self { url: url.to_string(), credential })
    }
}

fn credential(url: &Url) -> Result<Option<Credential>, String> {
    let decoded = |text| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("the user or the password is not UTF-8".to_owned()),
    };
    Ok(match (url.username(), url.password()) {
        ("", None) => None,
        (token, None) => Some(Credential::Token(Secret::from(decoded(token)?))),
        (name, Some(password)) => {
            Some(Credential::User { name: decoded(name)?, password: Secret::from(decoded(password)?) })
        }
    })
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// For clap, whose own errors show the value.
#[derive(Debug, Clone)]
pub(super) struct NatsUrlParser;

impl TypedValueParser for NatsUrlParser {
    type Value = NatsUrl;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<NatsUrl, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<NatsUrl, Error> {
        let parsed = value.to_str().ok_or_else(|| "not UTF-8".to_owned()).and_then(str::parse);
        parsed.map_err(|problem| {
            let flag = arg.map(Arg::to_string).unwrap_or_default();
            let variable = match arg.and_then(Arg::get_env) {
                Some(name) if source == ValueSource::EnvVariable => format!(" (from {})", name.display()),
                _ => String::new(),
            };
            let message = format!("{flag}{variable}: {problem}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> NatsUrl {
        text.parse().unwrap()
    }

    #[test]
    fn the_scheme_may_be_left_out() {
        assert_eq!(parsed("localhost:4222").to_string(), "nats://localhost:4222");
        assert_eq!(parsed("localhost").to_string(), "nats://localhost");
        assert_eq!(parsed(" tls://[::1]:4222").to_string(), "tls://[::1]:4222");
    }

    #[test]
    fn who_asks_is_taken_out_of_it() {
        let url = parsed("nats://me:p%40ss@host:4222");
        assert_eq!(url.to_string(), "nats://host:4222");
        let (name, password) = ("me".to_owned(), Secret::from("p@ss".to_owned()));
        assert_eq!(url.credential, Some(Credential::User { name, password }));
        let token = Credential::Token(Secret::from("t0ken".to_owned()));
        assert_eq!(parsed("nats://t0ken@host").credential, Some(token));
        assert!(!format!("{url:?}").contains("p@ss") && !format!("{url:?}").contains("p%40ss"));
    }

    #[test]
    fn what_is_refused_is_not_shown() {
        for text in
            ["nats://me:s3cr3t@host:70000", "ws://me:s3cr3t@host", "nats://me:s3cr3t@host/path", "nats://"]
        {
            let refused = text.parse::<NatsUrl>().unwrap_err();
            assert!(refused.contains("nats://HOST:PORT") && !refused.contains("s3cr3t"), "{refused}");
        }
    }
}
