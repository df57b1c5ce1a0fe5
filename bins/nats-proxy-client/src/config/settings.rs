use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Result, bail};
use fault_proxy_mapping::ListenAddr;
use fault_proxy_nats::Needs;
use nats_proxy_cli::target::Target;
use nats_proxy_cli::{CommonConfig, NatsArgs, Program, TunnelArgs};
use proxy_cli::addr::Endpoint;
use proxy_cli::config::{find, read_settings};
use proxy_cli::log::LogArgs;
use serde::Deserialize;
use tracing::debug;

use super::Forward;
use crate::args::{Cli, ClientArgs};

/// Settings as given. Flags take precedence over variables, which take precedence over the file.
#[derive(Debug)]
pub(crate) struct Config {
    client: ClientArgs,
    common: CommonConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    client: ClientArgs,
    nats: NatsArgs,
    tunnel: TunnelArgs,
    log: LogArgs,
}

impl Config {
    /// Reads the file if one exists. Also returns the settings of the log, and the path of the file.
    pub(crate) fn load(cli: Cli) -> Result<(Self, LogArgs, Option<PathBuf>)> {
        let path = cli.config.or_else(|| find(".nats-proxy-client"));
        let File { client, nats, tunnel, log } = read_settings(path.as_deref())?;
        let client = cli.client.over(client)?;
        let (common, log) = cli.common.over(path.as_deref(), nats, tunnel, log)?;
        Ok((Self { client, common }, log, path))
    }
}

/// Resolved settings of the client.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    /// At least one forward, each with its own listen address.
    pub(crate) forwards: Vec<Forward>,
}

impl Settings {
    /// Resolves the settings. The error names the first invalid one.
    pub(crate) fn resolve(config: Config) -> Result<Self> {
        let ClientArgs { listen_addr, remote_addr, proxy_addr, forwards, health_addr } = config.client;
        if let Some(addr) = proxy_addr {
            debug!(proxy_addr = addr, "--proxy-addr is set and has no effect");
        }
        let forwards = all(listen_addr, remote_addr, forwards)?;
        let needs = Needs::Client(forwards.iter().map(|forward| forward.target.0.clone()).collect());
        let mut program = config.common.resolve(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), needs)?;
        program.health = health_addr.and_then(|Endpoint(addr)| addr);
        Ok(Self { program, forwards })
    }
}

/// Returns all forwards. The forward of --listen-addr and --remote-addr is one of them if either is set, or if no
/// other forward is set.
fn all(listen: Option<ListenAddr>, target: Option<Target>, forwards: Vec<Forward>) -> Result<Vec<Forward>> {
    let mut all = Vec::new();
    if forwards.is_empty() || listen.is_some() || target.is_some() {
        all.push(Forward {
            listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8082)).into()),
            target: target.unwrap_or_else(|| {
                Target(fault_proxy_nats::Target::Host { host: "redis".to_owned(), port: 6379 })
            }),
        });
    }
    all.extend(forwards);
    for (index, Forward { listen, .. }) in all.iter().enumerate() {
        if listen.port != 0 && all[..index].iter().any(|other| other.listen == *listen) {
            bail!("--forward {}: another forward listens on {listen}", all[index]);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
