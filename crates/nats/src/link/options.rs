//! Options of the connection: servers, credential and TLS.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::rustls::ClientConfig;

use super::credential::Credential;
use super::url::NatsUrl;

/// Options to connect to NATS and log in. `Debug` does not show secrets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NatsOptions {
    /// Servers of one cluster. The connected server announces further ones.
    pub urls: Vec<NatsUrl>,
    /// Credential for all servers. It may be in a URL instead.
    pub credential: Credential,
    /// File that the password, token or seed in `credential` was read from. It is read again at each connect. While it
    /// is missing or unusable, the secret that was read last is used.
    pub credential_file: Option<PathBuf>,
    /// TLS settings, with trusted certificates and the client certificate.
    pub tls: Tls,
    /// Name of the connection in the monitoring of NATS.
    pub name: String,
    /// Subject prefix of inboxes: `_INBOX`, or a prefix that only this user may subscribe to.
    pub inbox_prefix: String,
    /// Connect to `urls` only, and not to servers that the cluster announces, which may be behind NAT.
    pub ignore_discovered_servers: bool,
    /// Time limit for the first connection. Zero tries once. A lost connection is tried again without a limit.
    pub first_connect_timeout: Duration,
    /// Maximum size of published messages in bytes, if the server accepts it. Defaults to [`usize::MAX`].
    pub max_message: usize,
}

impl NatsOptions {
    /// Returns options without credentials, with TLS only if the server requires it, and with 30 s for the first
    /// connection.
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

/// TLS settings of the connection. By default, the server decides whether TLS is used, so an attacker on the network
/// can disable it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tls {
    /// Never connect without TLS. Any `tls://` URL and `config` imply it.
    pub required: bool,
    /// Start TLS before the server's first message, for servers with `handshake_first`. Implies `required`.
    pub first: bool,
    /// Configuration for every connection. Defaults to the system's roots without a client certificate.
    pub config: Option<ClientConfig>,
}
