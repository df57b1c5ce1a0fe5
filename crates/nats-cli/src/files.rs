//! Files that a program reads, which its log must not overwrite.

use std::path::Path;

use anyhow::{Result, bail};
use proxy_cli::config::is_same_file;
use proxy_cli::log::LogArgs;

use crate::NatsArgs;

/// Refuses a `--log-file` that the program also reads. `config` is the configuration file.
///
/// # Errors
/// Returns an error if the log has the same file as another flag. The error names the flag.
pub(super) fn refuse_log_over_input(log: &LogArgs, config: Option<&Path>, nats: &NatsArgs) -> Result<()> {
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
