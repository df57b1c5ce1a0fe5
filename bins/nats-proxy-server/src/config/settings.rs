use std::path::PathBuf;

use anyhow::{Result, bail};
use proxy_cli::addr::ListenAddr;
use proxy_cli::config::{find, settings_of};
use proxy_cli::faults::{FaultOptions, FaultSettings};
use proxy_cli::log::LogSettings;
use proxy_cli::nats::{LogArgs, NatsArgs, NatsSettings, TunnelArgs, TunnelSettings};
use proxy_nats::Targets;
use serde::Deserialize;

use super::Service;
use crate::args::{Cli, ServerArgs};

/// What was given, each setting by the first of: a flag, a variable, the file.
#[derive(Debug)]
pub(crate) struct Config {
    /// That was read.
    pub(crate) file: Option<PathBuf>,
    server: ServerArgs,
    nats: NatsArgs,
    tunnel: TunnelArgs,
    faults: FaultOptions,
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
    /// Reads the file, if there is one.
    pub(crate) fn load(cli: Cli) -> Result<(Self, LogSettings)> {
        let path = cli.config.or_else(|| find(".nats-proxy-server"));
        let file: File = settings_of(path.as_deref())?;
        let config = Self {
            file: path,
            server: cli.server.or(file.server),
            nats: cli.nats.or(file.nats),
            tunnel: cli.tunnel.or(file.tunnel),
            faults: cli.faults,
        };
        Ok((config, cli.log.or(file.log).resolve()))
    }
}

/// Everything that the server needs to know, resolved.
#[derive(Debug)]
#[allow(dead_code, reason = "nothing runs yet")]
pub(crate) struct Settings {
    pub(crate) nats: NatsSettings,
    pub(crate) tunnel: TunnelSettings,
    /// Of the HTTP endpoint; `None`: there is none.
    pub(crate) listen: Option<ListenAddr>,
    /// What clients may reach.
    pub(crate) targets: Targets,
    /// With names that are unique.
    pub(crate) services: Vec<Service>,
    pub(crate) faults: FaultSettings,
}

impl Settings {
    /// Fails on the first thing that makes no sense, and names it as it was written.
    pub(crate) fn resolve(config: Config) -> Result<Self> {
        let ServerArgs { listen_addr, allow, deny, services } = config.server;
        for (index, Service { name, .. }) in services.iter().enumerate() {
            if services[..index].iter().any(|other| other.name == *name) {
                bail!("--service {name}=…: two services have this name");
            }
        }
        Ok(Self {
            nats: config.nats.resolve()?,
            tunnel: config.tunnel.resolve(),
            listen: match listen_addr {
                Some(endpoint) => endpoint.addr(),
                None => Some(ListenAddr { host: None, port: 8080 }),
            },
            targets: Targets { allow, deny },
            services,
            faults: config.faults.resolve()?,
        })
    }
}

#[cfg(test)]
mod tests;
