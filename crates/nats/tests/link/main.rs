//! The link with real NATS servers.

mod changing;
mod credentials;
mod ends;
mod jwt;
mod limits;
mod no_responders;
mod outages;
mod permissions;
mod renewed;
mod tls;
mod websocket;

use std::time::Duration;

use fault_proxy_nats::{Credential, LinkError, NatsConnection, NatsOptions};
use testkit::NatsServer;

/// How long a test waits for what has to happen.
const LONG: Duration = Duration::from_secs(60);

fn options(url: &str, credential: Credential) -> NatsOptions {
    let mut options = NatsOptions::new([url.parse().expect("it is a URL")], "link test");
    options.credential = credential;
    options
}

async fn connect(server: &NatsServer, credential: Credential) -> Result<NatsConnection, LinkError> {
    NatsConnection::connect(&options(&server.url(), credential)).await
}

fn user(user: &str, password: &str) -> Credential {
    Credential::UserPassword { user: user.to_owned(), password: password.to_owned() }
}

/// The error, after a look for secrets in all that is shown of it and of the options.
async fn refused(options: &NatsOptions, secrets: &[&str]) -> LinkError {
    let error = match NatsConnection::connect(options).await {
        Ok(link) => panic!("{options:?} connected: {link:?}"),
        Err(error) => error,
    };
    let shown = format!("{error} {error:?} {options:?}");
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
    error
}
