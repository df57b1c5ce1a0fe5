use std::path::PathBuf;

use anyhow::{Result, bail};
use fault_proxy_mapping::ListenAddr;
use fault_proxy_nats::{Needs, Targets};
use nats_proxy_cli::{NatsArgs, Program, TunnelArgs, refuse_log_over_input};
use proxy_cli::addr::Endpoint;
use proxy_cli::config::{find, read_settings};
use proxy_cli::faults::{FaultArgs, FaultOptions};
use proxy_cli::log::LogArgs;
use serde::Deserialize;
use tracing::debug;

use super::Service;
use crate::args::{Cli, ServerArgs};

/// Settings as given. Flags take precedence over variables, which take precedence over the file.
#[derive(Debug)]
pub(crate) struct Config {
    /// Path of the file that was read, if any.
    file: Option<PathBuf>,
    server: ServerArgs,
    nats: NatsArgs,
    tunnel: TunnelArgs,
    fault_options: FaultOptions,
    faults: FaultArgs,
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
    /// Reads the file if one exists.
    pub(crate) fn load(cli: Cli) -> Result<(Self, LogArgs)> {
        let path = cli.config.or_else(|| find(".nats-proxy-server"));
        let file: File = read_settings(path.as_deref())?;
        let config = Self {
            file: path,
            server: cli.server.over(file.server)?,
            nats: NatsArgs::over(&cli.nats, file.nats)?,
            tunnel: cli.tunnel.over(file.tunnel)?,
            fault_options: cli.fault_options.over(FaultOptions::default())?,
            faults: cli.faults,
        };
        let log = cli.log.over(file.log)?;
        refuse_log_over_input(&log, config.file.as_deref(), &config.nats)?;
        Ok((config, log))
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
        if let Some(file) = &config.file {
            debug!(file = %file.display(), "settings file read");
        }
        let ServerArgs { listen_addr, allow, deny, services } = config.server;
        for (index, Service { name, .. }) in services.iter().enumerate() {
            if services[..index].iter().any(|other| other.name == *name) {
                bail!("--service {name}=…: duplicate name; service names must be unique");
            }
        }
        Ok(Self {
            program: Program {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                nats: config.nats.resolve(env!("CARGO_PKG_NAME"))?,
                tunnel: config.tunnel,
                faults: config.fault_options.resolve(&config.faults)?,
                needs: Needs::Server(services.iter().map(|service| service.name.clone()).collect()),
                is_health_default: listen_addr.is_none(),
                health: listen_addr
                    .map_or(Some(ListenAddr { host: None, port: 8080 }), |Endpoint(addr)| addr),
            },
            targets: Targets { allow, deny },
            services,
        })
    }
}

#[cfg(test)]
mod tests;
