//! Where NATS is and who we are there.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::rustls::ClientConfig;

use super::credential::Credential;
use super::url::NatsUrl;

/// How to reach NATS and log in. `Debug` does not show secrets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NatsOptions {
    /// The servers of one cluster. Further ones are learned from the one that is reached.
    pub urls: Vec<NatsUrl>,
    /// Credential for all servers. A URL may have it instead.
    pub credential: Credential,
    /// The file that the password, token or seed in `credential` was read from. It is read again at each connect. While
    /// it is missing or unusable, the secret that was read last stays.
    pub credential_file: Option<PathBuf>,
    /// Encryption, whom to trust and the client certificate.
    pub tls: Tls,
    /// The connection's name in NATS' monitoring.
    pub name: String,
    /// The subjects under which replies are asked for: `_INBOX`, or a prefix only this role may read.
    pub inbox_prefix: String,
    /// Connect to `urls` only, and not to servers that the cluster announces, which may be behind NAT.
    pub ignore_discovered_servers: bool,
    /// For how long the first connection is tried; zero tries once. A lost one is tried for ever.
    pub first_connect_timeout: Duration,
    /// Size of the longest message to publish, in bytes, if the server takes it. Defaults to [`usize::MAX`].
    pub max_message: usize,
}

impl NatsOptions {
    /// No credentials, no TLS unless the server asks for it, half a minute for the first connection.
    pub fn new(urls: impl IntoIterator<Item = NatsUrl>, name: impl Into<String>) -> Self {
        Self {
            urls: urls.into_iter().collect(),
            credential: Credential::None,
            credential_file: None,
            tls: Tls::default(),
            name: name.into(),
            inbox_prefix: "_INBOX".to_owned(),
            ignore_discovered_servers: false,
            first_connect_timeout: Duration::from_secs(30),
            max_message: usize::MAX,
        }
    }
}

/// Encryption of the connection. By default it is what the server asks for; whoever is on the way can then talk
/// the client out of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tls {
    /// Never connect without TLS. Any `tls://` URL and `config` imply it.
    pub required: bool,
    /// TLS before the server's first word, for servers with `handshake_first`. Implies `required`.
    pub first: bool,
    /// Configuration for every connection. Defaults to the system's roots without a client certificate.
    pub config: Option<ClientConfig>,
}
