//! URLs of NATS servers, and the credentials in them.
//!
//! async-nats ignores a URL's credentials, and shows the URL whole in its debug log: so they are taken out here.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use super::{Credential, LinkError};

/// Where to connect, and as whom.
pub(super) struct Addresses {
    /// Without credentials.
    pub(super) servers: Vec<ServerAddr>,
    pub(super) credential: Credential,
    /// For people, without credentials.
    pub(super) shown: String,
    /// One of the URLs is `tls://`. async-nats holds that against this one server only, not against those that
    /// it learns from it.
    pub(super) tls: bool,
}

impl Addresses {
    pub(super) fn parse(urls: &[String], given: &Credential) -> Result<Self, LinkError> {
        let mut credential = given.clone();
        let mut servers = Vec::with_capacity(urls.len());
        for (position, url) in urls.iter().enumerate() {
            let (server, own) = parse(url).map_err(|reason| LinkError::Url { url: redacted(url), reason })?;
            if own != Credential::None {
                let first = position == 0 && credential == Credential::None;
                if !first && credential != own {
                    return Err(LinkError::TwoCredentials { url: redacted(url) });
                }
                credential = own;
            }
            servers.push(server);
        }
        if servers.is_empty() {
            return Err(LinkError::NoUrl);
        }
        let shown = servers.iter().map(show).collect::<Vec<_>>().join(", ");
        let tls = servers.iter().any(ServerAddr::tls_required);
        Ok(Self { servers, credential, shown, tls })
    }
}

fn show(server: &ServerAddr) -> String {
    server.as_url_str().trim_end_matches('/').to_owned()
}

/// Reasons quote nothing of the URL.
fn parse(url: &str) -> Result<(ServerAddr, Credential), String> {
    let mut parsed = url.parse::<ServerAddr>().map_err(|error| error.to_string())?.into_inner();
    if !matches!(parsed.scheme(), "nats" | "tls") {
        return Err("the scheme has to be nats or tls".to_owned());
    }
    if !parsed.has_host() || parsed.host_str() == Some("") {
        return Err("it has no host".to_owned());
    }
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(
            "something follows the host and port; in a password write / ? # @ as %2F %3F %23 %40".to_owned()
        );
    }
    let credential = match (parsed.username(), parsed.password()) {
        ("", None) => Credential::None,
        (token, None) => Credential::Token(decoded(token)?),
        (user, Some(password)) => {
            Credential::UserPassword { user: decoded(user)?, password: decoded(password)? }
        }
    };
    let stripped = parsed.set_username("").and_then(|()| parsed.set_password(None));
    stripped.map_err(|()| "it cannot have credentials".to_owned())?;
    let server = ServerAddr::from_url(parsed).map_err(|error| error.to_string())?;
    Ok((server, credential))
}

fn decoded(text: &str) -> Result<String, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("its credentials are not UTF-8".to_owned()),
    }
}

/// Scheme, host and port of what may be a URL, however broken it is: nothing before the last `@`.
pub(super) fn redacted(url: &str) -> String {
    let scheme = match url.split_once("://") {
        Some((scheme, _)) if scheme.len() <= 5 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            scheme
        }
        _ => "nats",
    };
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let host = after.rsplit_once('@').map_or(after, |(_, host)| host);
    format!("{scheme}://{}", host.split(['/', '?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(urls: &[&str], given: &Credential) -> Result<Addresses, LinkError> {
        Addresses::parse(&urls.iter().map(|&url| url.to_owned()).collect::<Vec<_>>(), given)
    }

    fn user(user: &str, password: &str) -> Credential {
        Credential::UserPassword { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn credentials_leave_the_url() {
        for (url, shown, credential) in [
            ("localhost", "nats://localhost", Credential::None),
            ("nats://10.0.0.1:4223/", "nats://10.0.0.1:4223", Credential::None),
            ("ann:sesame@[::1]:4222", "nats://[::1]:4222", user("ann", "sesame")),
            ("tls://ann:a%40b%2Fc%25@host", "tls://host", user("ann", "a@b/c%")),
            ("nats://ann:@host", "nats://host", Credential::Token("ann".to_owned())),
            ("nats://t0k%3An@host", "nats://host", Credential::Token("t0k:n".to_owned())),
        ] {
            let addresses = parsed(&[url], &Credential::None).unwrap();
            assert_eq!(addresses.shown, shown, "{url}");
            assert_eq!(addresses.tls, url.starts_with("tls"), "{url}");
            assert!(addresses.credential == credential, "{url}");
            assert!(!addresses.servers[0].as_url_str().contains('@'), "{url}");
        }
    }

    #[test]
    fn credentials_are_given_in_one_place() {
        let given = user("ann", "sesame");
        assert!(parsed(&["nats://ann:sesame@a", "nats://b"], &given).is_ok());
        assert!(parsed(&["nats://ann:sesame@a", "nats://ann:sesame@b"], &Credential::None).is_ok());
        for (urls, given) in [
            (["nats://ann:open@a", "nats://b"], given),
            (["nats://ann:sesame@a", "nats://ann:open@b"], Credential::None),
        ] {
            let error = parsed(&urls, &given).err().expect("they differ").to_string();
            assert!(!error.contains("open") && !error.contains("sesame"), "{error}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_a_secret() {
        for url in [
            "",
            "nats://",
            "http://ann:sesame@host",
            "ws://ann:sesame@host",
            "nats://ann:sesame/x@host",
            "nats://ann:sesame#x@host",
            "nats://ann:1/sesame@host",
            "ann:sesame://x@host",
            "nats://host/?password=sesame",
            "nats://ann:sesame%FF@host",
            "nats://ann:sesame@ho st",
            "nats://ann:sesame@host:99999",
        ] {
            let error = parsed(&[url], &Credential::None).err().unwrap_or_else(|| panic!("{url} was taken"));
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
        }
    }
}
