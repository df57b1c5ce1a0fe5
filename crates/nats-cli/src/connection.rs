use std::path::PathBuf;

use anyhow::{Context, Error, Result, bail};
use clap::ArgAction::Set;
use clap::Args;
use fault_proxy_engine::ByteCount;
use fault_proxy_nats::{LinkError, NatsOptions, NatsUrl};
use fault_proxy_tls::ReloadingTls;
use serde::Deserialize;

use super::url::NatsUrlParser;
use proxy_cli::args::{Given, list, switch};
use proxy_cli::secret::{Secret, warn_if_shared};

const NATS: &str = "NATS";
const DEFAULT_URL: &str = "nats://localhost:4222";

/// Flags of the connection to NATS; in a file, the section `nats`.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsArgs {
    /// NATS servers, separated by commas; can be repeated [default: nats://localhost:4222].
    ///
    /// HOST:PORT, nats://HOST:PORT, tls://HOST:PORT for TLS, or ws://HOST:PORT and wss://HOST:PORT for WebSockets. USER:PASSWORD@ or TOKEN@ before the host logs in; other
    /// characters than letters and digits are written as %XX.
    #[arg(long, value_name = "URL", env = "NATS_URL", hide_env_values = true, value_delimiter = ',', value_parser = NatsUrlParser, help_heading = NATS)]
    #[serde(rename = "url", deserialize_with = "list::deserialize")]
    pub nats_url: Vec<NatsUrl>,
    /// User to log in as.
    #[arg(long, value_name = "NAME", env = "NATS_USER", help_heading = NATS)]
    #[serde(rename = "user")]
    pub nats_user: Option<String>,
    /// Password of --nats-user; other users of this machine can see it in the list of processes.
    #[arg(long, value_name = "PASSWORD", env = "NATS_PASSWORD", hide_env_values = true, help_heading = NATS)]
    #[serde(rename = "password")]
    pub nats_password: Option<Secret>,
    /// File with the password of --nats-user. It is read again at each connect.
    #[arg(long, value_name = "FILE", env = "NATS_PASSWORD_FILE", help_heading = NATS)]
    #[serde(rename = "password_file")]
    pub nats_password_file: Option<PathBuf>,
    /// Token to log in with; other users of this machine can see it in the list of processes.
    #[arg(long, value_name = "TOKEN", env = "NATS_TOKEN", hide_env_values = true, help_heading = NATS)]
    #[serde(rename = "token")]
    pub nats_token: Option<Secret>,
    /// File with the token to log in with. It is read again at each connect.
    #[arg(long, value_name = "FILE", env = "NATS_TOKEN_FILE", help_heading = NATS)]
    #[serde(rename = "token_file")]
    pub nats_token_file: Option<PathBuf>,
    /// NKey to log in with: its seed (SU…), or a file with the seed, which is read again at each connect.
    #[arg(long, value_name = "FILE|SEED", env = "NATS_NKEY", hide_env_values = true, help_heading = NATS)]
    #[serde(rename = "nkey")]
    pub nats_nkey: Option<Secret>,
    /// A .creds file with the JWT and NKey to log in with. It is read again at each connect.
    #[arg(long, value_name = "FILE", env = "NATS_CREDS", help_heading = NATS)]
    #[serde(rename = "creds")]
    pub nats_creds: Option<PathBuf>,
    /// Connect to the servers of --nats-url only, and not to those that the cluster announces.
    ///
    /// Use this if the announced addresses cannot be reached from here, for example behind NAT.
    #[arg(long, action = Set, env = "NATS_IGNORE_DISCOVERED_SERVERS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch, help_heading = NATS)]
    #[serde(rename = "ignore_discovered_servers")]
    pub ignore_discovered_servers: bool,
    /// Trust the CA certificates in this PEM file instead of those of the system.
    #[arg(long, value_name = "FILE", env = "NATS_CA", help_heading = NATS)]
    #[serde(rename = "ca")]
    pub nats_ca: Option<PathBuf>,
    /// Client certificate for NATS servers (PEM); requires --nats-key.
    #[arg(long, value_name = "FILE", env = "NATS_CERT", help_heading = NATS)]
    #[serde(rename = "cert")]
    pub nats_cert: Option<PathBuf>,
    /// Private key of --nats-cert (PEM).
    #[arg(long, value_name = "FILE", env = "NATS_KEY", help_heading = NATS)]
    #[serde(rename = "key")]
    pub nats_key: Option<PathBuf>,
    /// Require TLS from every NATS server.
    #[arg(long, action = Set, env = "NATS_TLS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch, help_heading = NATS)]
    #[serde(rename = "tls")]
    pub nats_tls: bool,
    /// Start TLS before the server's first message, for servers with `handshake_first`; implies --nats-tls.
    ///
    /// Without it, the program tries this when a server sends nothing.
    #[arg(long, action = Set, env = "NATS_TLS_FIRST", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch, help_heading = NATS)]
    #[serde(rename = "tls_first")]
    pub nats_tls_first: bool,
    /// Subject prefix for replies, so that permissions can restrict it to this user [default: _INBOX].
    #[arg(long, value_name = "SUBJECT", env = "NATS_INBOX_PREFIX", help_heading = NATS)]
    #[serde(rename = "inbox_prefix")]
    pub nats_inbox_prefix: Option<String>,
    /// Maximum size of a NATS message, at least 384 bytes [default: the limit of the server and of the user].
    #[arg(long, env = "NATS_MAX_MESSAGE_SIZE", value_name = "BYTES", help_heading = NATS)]
    #[serde(rename = "max_message_size")]
    pub max_message_size: Option<ByteCount>,
}

impl NatsArgs {
    /// Overwrites the settings of a file with those of flags and variables. A credential replaces one of another kind, and a
    /// certificate or a key replaces both.
    ///
    /// # Errors
    /// Does not fail, because the values have been parsed before.
    pub fn over(given: &Given<Self>, mut file: Self) -> Result<Self> {
        let flags = given.over(Self::default())?;
        flags.clear_replaced_credentials(&mut file);
        if flags.nats_cert.is_some() || flags.nats_key.is_some() {
            (file.nats_cert, file.nats_key) = (None, None);
        }
        Ok(given.over(file)?)
    }

    /// Resolves the settings for a program of this name, and reads the files of secrets.
    ///
    /// # Errors
    /// Two kinds of credential or half of a pair are set, or a file cannot be used. The error names the flags
    /// and does not show secrets.
    pub fn resolve(mut self, name: &str) -> Result<NatsOptions> {
        let (credential, credential_file) = self.credential()?;
        if self.nats_url.is_empty() {
            self.nats_url.push(DEFAULT_URL.parse()?);
        }
        let mut options = NatsOptions::new(self.nats_url, name);
        options.credential = credential;
        options.credential_file = credential_file;
        options.tls.required = self.nats_tls;
        options.tls.first = self.nats_tls_first;
        options.ignore_discovered_servers = self.ignore_discovered_servers;
        let identity = match (self.nats_cert, self.nats_key) {
            (Some(cert), Some(key)) => {
                warn_if_shared(&key);
                Some((cert, key))
            }
            (None, None) => None,
            (Some(_), None) => bail!("--nats-cert requires --nats-key"),
            (None, Some(_)) => bail!("--nats-key requires --nats-cert"),
        };
        set_tls(&mut options, self.nats_ca, identity)?;
        if let Some(prefix) = self.nats_inbox_prefix {
            options.inbox_prefix = prefix;
        }
        if let Some(size) = self.max_message_size {
            options.max_message = usize::try_from(size.count()).unwrap_or(usize::MAX);
        }
        options.check().map_err(|error| {
            let flag = flag_for(&error);
            Error::new(error).context(flag)
        })?;
        Ok(options)
    }
}

/// Checks the files of TLS. Each connect reads them again.
fn set_tls(
    options: &mut NatsOptions,
    ca_file: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
) -> Result<()> {
    if ca_file.is_none() && identity.is_none() {
        return Ok(());
    }
    if ca_file.is_some() {
        ReloadingTls { ca_file: ca_file.clone(), identity: None }.config().context("--nats-ca")?;
    }
    let tls = ReloadingTls { ca_file, identity };
    let config = tls.config().map_err(|error| {
        let key = tls.identity.as_ref().map(|(_, key)| &**key);
        let flag =
            if error.path().is_some_and(|path| Some(path) == key) { "--nats-key" } else { "--nats-cert" };
        Error::new(error).context(flag)
    })?;
    options.tls.config = Some(config);
    Ok(())
}

/// Returns the flag that the error is about.
fn flag_for(error: &LinkError) -> &'static str {
    match error {
        LinkError::InboxPrefix(_) => "--nats-inbox-prefix",
        LinkError::MaxMessage { .. } => "--max-message-size",
        LinkError::File { .. } => "--nats-creds",
        _ => "--nats-url",
    }
}

#[cfg(test)]
mod tests;
