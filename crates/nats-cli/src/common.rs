//! Settings that both programs have.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use fault_proxy_nats::Needs;
use proxy_cli::args::Given;
use proxy_cli::config::is_same_file;
use proxy_cli::faults::{FaultArgs, FaultOptions};
use proxy_cli::log::LogArgs;

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

/// Refuses a `--log-file` that the program also reads. `config` is the configuration file. The error names
/// the other flag.
fn refuse_log_over_input(log: &LogArgs, config: Option<&Path>, nats: &NatsArgs) -> Result<()> {
    let Some(log) = &log.log_file else { return Ok(()) };
    let inputs = [
        ("--config", config),
        ("--nats-password-file", nats.nats_password_file.as_deref()),
        ("--nats-token-file", nats.nats_token_file.as_deref()),
        ("--nats-creds", nats.nats_creds.as_deref()),
        ("--nats-ca", nats.nats_ca.as_deref()),
        ("--nats-cert", nats.nats_cert.as_deref()),
        ("--nats-key", nats.nats_key.as_deref()),
    ];
    match inputs.iter().find(|(_, input)| input.is_some_and(|input| is_same_file(input, log))) {
        Some((flag, _)) => bail!("{flag} and --log-file have the same file: set another one for --log-file"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_over_a_file_that_is_read_is_refused() {
        let log = |file: &str| LogArgs { log_file: Some(file.into()), ..LogArgs::default() };
        let nats = NatsArgs { nats_creds: Some("a.creds".into()), ..NatsArgs::default() };
        let check = |log: &LogArgs| refuse_log_over_input(log, Some("a.toml".as_ref()), &nats);
        for (file, flag) in [("./a.toml", "--config and"), ("a.creds", "--nats-creds and")] {
            let refused = check(&log(file)).unwrap_err().to_string();
            assert!(refused.starts_with(flag), "{refused}");
        }
        assert!(check(&log("a.log")).is_ok() && check(&LogArgs::default()).is_ok());
    }
}
