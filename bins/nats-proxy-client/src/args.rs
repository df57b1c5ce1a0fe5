//! Definition of the command line. Each group of flags is also a section of the file.

use std::path::PathBuf;

use clap::{Args, Parser};
use fault_proxy_mapping::ListenAddr;
use nats_proxy_cli::CommonArgs;
use nats_proxy_cli::target::Target;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::{Given, list};
use serde::Deserialize;
use serde_with::{As, DisplayFromStr};

use crate::config::Forward;

/// Carries TCP connections over NATS to a nats-proxy-server, which connects them to their targets.
///
/// Connect a program to --listen-addr instead of to its service. With --forward only, the client does not listen on --listen-addr.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Configuration file: .yaml, .yml, .toml or .json [default: .nats-proxy-client.* in ./ or $HOME].
    ///
    /// Flags take precedence over environment variables, which take precedence over the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) client: Given<ClientArgs>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

const EXAMPLES: &str = "\
Examples:
  nats-proxy-client --listen-addr 127.0.0.1:6380 --remote-addr redis:6379
      then: redis-cli -p 6380
  nats-proxy-client --forward 35432=db:5432 --forward 6380=nats-service:cache
      two forwards, one of them to a service that the server knows by name

Faults are set by flags and variables, not in the file. Use --help for their parameters.
Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.";

/// Flags of the section `client` of a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientArgs {
    /// Listen address: HOST:PORT, or :PORT for all interfaces [default: 0.0.0.0:8082, unless there is a --forward].
    #[arg(long, value_name = "ADDRESS", env = "LISTEN_ADDR")]
    #[serde(deserialize_with = "As::<Option<DisplayFromStr>>::deserialize")]
    pub(crate) listen_addr: Option<ListenAddr>,
    /// Target that the server connects to: HOST:PORT, or nats-service:NAME [default: redis:6379, unless there is a --forward].
    #[arg(long, value_name = "TARGET", env = "REMOTE_ADDR")]
    #[serde(deserialize_with = "As::<Option<DisplayFromStr>>::deserialize")]
    pub(crate) remote_addr: Option<Target>,
    /// Accepted for compatibility, without effect [default: proxy-server:8081].
    #[arg(long, value_name = "ADDRESS", env = "PROXY_ADDR")]
    pub(crate) proxy_addr: Option<String>,
    /// Listen address and target of a forward; several are separated by commas; can be repeated.
    ///
    /// LISTEN is PORT, on 127.0.0.1, or ADDRESS:PORT. TARGET is HOST:PORT or nats-service:NAME. With --forward,
    /// --listen-addr and --remote-addr apply only if one of them is set.
    #[arg(long = "forward", value_name = "LISTEN=TARGET", value_delimiter = ',')]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) forwards: Vec<Forward>,
    /// Address of the HTTP health endpoint: HOST:PORT, :PORT for all interfaces, or off [default: off].
    #[arg(long, value_name = "ADDRESS", env = "HEALTH_ADDR")]
    #[serde(deserialize_with = "As::<Option<DisplayFromStr>>::deserialize")]
    pub(crate) health_addr: Option<Endpoint>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
