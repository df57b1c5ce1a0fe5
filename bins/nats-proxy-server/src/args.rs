//! Definition of the command line. Each group of flags is also a section of the file.

use std::path::PathBuf;

use clap::{Args, Parser};
use fault_proxy_nats::Rule;
use nats_proxy_cli::CommonArgs;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::{Given, list};
use serde::Deserialize;
use serde_with::{As, DisplayFromStr};

use crate::config::Service;

/// Connects to TCP services for nats-proxy-clients, which reach it over NATS.
///
/// The server dials the targets that clients request, within --allow and --deny. Several servers share the requests.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Configuration file: .yaml, .yml, .toml or .json [default: .nats-proxy-server.* in ./ or $HOME].
    ///
    /// Flags take precedence over environment variables, which take precedence over the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: Given<ServerArgs>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

const EXAMPLES: &str = "\
Examples:
  nats-proxy-server --nats-url nats://127.0.0.1:4222
      serves every target that clients request
  nats-proxy-server --allow 10.0.0.0/8:5432 --service cache=redis:6379
      serves PostgreSQL in one network, and nats-service:cache

Faults are set by flags and variables, not in the file. Use --help for their parameters.
Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.";

/// Flags of the section `server` of a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerArgs {
    /// Address of the HTTP endpoint for health and metrics: HOST:PORT, :PORT for all interfaces, or off [default: :8080].
    #[arg(long, value_name = "ADDRESS")]
    #[serde(deserialize_with = "As::<Option<DisplayFromStr>>::deserialize")]
    pub(crate) listen_addr: Option<Endpoint>,
    /// Targets that the server may dial, separated by commas; can be repeated [default: all].
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) allow: Vec<Rule>,
    /// Targets that the server must not dial, even if --allow has them, separated by commas; can be repeated.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) deny: Vec<Rule>,
    /// Target of nats-service:NAME; several are separated by commas; can be repeated.
    #[arg(long = "service", value_name = "NAME=HOST:PORT", value_delimiter = ',')]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) services: Vec<Service>,
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
