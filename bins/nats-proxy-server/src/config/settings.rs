use std::path::PathBuf;

use anyhow::{Result, bail};
use fault_proxy_mapping::ListenAddr;
use fault_proxy_nats::{Needs, Targets};
use nats_proxy_cli::{CommonConfig, NatsArgs, Program, TunnelArgs};
use proxy_cli::addr::Endpoint;
use proxy_cli::config::{find, read_settings};
use proxy_cli::log::LogArgs;
use serde::Deserialize;

use super::Service;
use crate::args::{Cli, ServerArgs};

/// Settings as given. Flags take precedence over variables, which take precedence over the file.
#[derive(Debug)]
pub(crate) struct Config {
    server: ServerArgs,
    common: CommonConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: ServerArgs,
    nats: NatsArgs,
    tunnel: TunnelArgs,
    log: LogArgs,
}

impl Config {
    /// Reads the file if one exists. Also returns the settings of the log, and the path of the file.
    pub(crate) fn load(cli: Cli) -> Result<(Self, LogArgs, Option<PathBuf>)> {
        let path = cli.config.or_else(|| find(".nats-proxy-server"));
        let File { server, nats, tunnel, log } = read_settings(path.as_deref())?;
        let server = cli.server.over(server)?;
        let (common, log) = cli.common.over(path.as_deref(), nats, tunnel, log)?;
        Ok((Self { server, common }, log, path))
    }
}

/// Resolved settings of the server.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    /// Rules for targets.
    pub(crate) targets: Targets,
    /// Services with unique names.
    pub(crate) services: Vec<Service>,
}

impl Settings {
    /// Resolves the settings. The error names the first invalid one.
    pub(crate) fn resolve(config: Config) -> Result<Self> {
        let ServerArgs { listen_addr, allow, deny, services } = config.server;
        for (index, Service { name, .. }) in services.iter().enumerate() {
            if services[..index].iter().any(|other| other.name == *name) {
                bail!("--service {name}=…: duplicate name; service names must be unique");
            }
        }
        let needs = Needs::Server(services.iter().map(|service| service.name.clone()).collect());
        let mut program = config.common.resolve(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), needs)?;
        program.is_health_default = listen_addr.is_none();
        program.health =
            listen_addr.map_or(Some(ListenAddr { host: None, port: 8080 }), |Endpoint(addr)| addr);
        Ok(Self { program, targets: Targets { allow, deny }, services })
    }
}

#[cfg(test)]
mod tests;
