//! Settings that both programs have.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use fault_proxy_nats::Needs;
use proxy_cli::args::Given;
use proxy_cli::faults::{FaultArgs, FaultOptions};
use proxy_cli::log::LogArgs;

use super::files::refuse_log_over_input;
use super::{NatsArgs, Program, TunnelArgs};

/// Flags that both programs have, in addition to their own.
#[derive(Debug, Args)]
pub struct CommonArgs {
    #[command(flatten)]
    nats: Given<NatsArgs>,
    #[command(flatten)]
    tunnel: Given<TunnelArgs>,
    #[command(flatten)]
    log: Given<LogArgs>,
    #[command(flatten)]
    fault_options: Given<FaultOptions>,
    #[command(flatten)]
    faults: FaultArgs,
}

/// Settings that both programs have, as given.
#[derive(Debug)]
pub struct CommonConfig {
    nats: NatsArgs,
    tunnel: TunnelArgs,
    fault_options: FaultOptions,
    faults: FaultArgs,
}

impl CommonArgs {
    /// Overwrites the sections of `file` with the settings of flags and variables.
    ///
    /// # Errors
    /// Returns an error if the log has the same file as another setting.
    pub fn over(
        self,
        file: Option<&Path>,
        nats: NatsArgs,
        tunnel: TunnelArgs,
        log: LogArgs,
    ) -> Result<(CommonConfig, LogArgs)> {
        let config = CommonConfig {
            nats: NatsArgs::over(&self.nats, nats)?,
            tunnel: self.tunnel.over(tunnel)?,
            fault_options: self.fault_options.over(FaultOptions::default())?,
            faults: self.faults,
        };
        let log = self.log.over(log)?;
        refuse_log_over_input(&log, file, &config.nats)?;
        Ok((config, log))
    }
}

impl CommonConfig {
    /// Resolves the settings for a program without an HTTP endpoint.
    ///
    /// # Errors
    /// Returns an error that names the first invalid setting.
    pub fn resolve(self, name: &'static str, version: &'static str, needs: Needs) -> Result<Program> {
        Ok(Program {
            name,
            version,
            nats: self.nats.resolve(name)?,
            tunnel: self.tunnel,
            faults: self.fault_options.resolve(&self.faults)?,
            health: None,
            needs,
            is_health_default: false,
        })
    }
}
