//! The command line, as written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use proxy_cli::args::{Hint, Time, written};
use proxy_cli::commands::{Common, health_at};
use proxy_cli::faults::FaultArgs;
use proxy_cli::log::{LogFormat, LogSettings};
use proxy_cli::secret::Secret;
use proxy_mapping::Mapping;
use serde::Serialize;
use tracing::level_filters::LevelFilter;

mod ctl;
mod options;
mod values;

pub(crate) use ctl::{CtlArgs, CtlCommand, FaultCommand};
pub(crate) use options::{DataPath, OnUpstreamFailure, Options};
pub(crate) use values::{Protocol, SelfSigned};

const CONTROL: &str = "Control while it runs";
const LOG: &str = "Log";
const UPSTREAM_TLS: &str = "TLS to the upstream (https, tls, psqls)";
const LISTENER_TLS: &str = "TLS from the client";

/// A TCP proxy that makes the network bad on purpose.
///
/// Point a client at the proxy instead of its database, cache or broker: every byte arrives as it was sent,
/// unless a fault says otherwise.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
#[command(mut_subcommands(health_at("127.0.0.1:8474", Some("FAULT_CONTROL"))))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

const EXAMPLES: &str = "\
Examples:
  fault-proxy demo
      see it work, nothing else needed
  fault-proxy run --proxy 35432=psql://my-db:5432
      then: psql -h 127.0.0.1 -p 35432
  fault-proxy run --proxy 9090=https://www.google.com
      then: curl -H 'Host: www.google.com' http://127.0.0.1:9090
  fault-proxy run --proxy 35432=psql://my-db:5432 --with-latency --latency-mean 300ms --latency-stddev 40ms
      the database, 300 ms away
  fault-proxy check --proxy 35432=psqls://my-db
      parse, resolve, connect; run nothing

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration,
3 an --expect was not met.";

/// Flags that there are not.
pub(crate) const HINTS: [Hint; 9] = [
    ("--upstream", "--proxy PORT=HOST:PORT sets the listen port and the upstream"),
    ("--upstreams", "--proxy PORT=HOST:PORT sets the listen port and the upstream"),
    ("--with-dns", "there are no faults for DNS: faults act on TCP connections"),
    ("--with-http-response", "there are no faults for HTTP: faults act on the bytes of any TCP connection"),
    ("--disable-http-proxy", "there is no HTTP proxy to disable: leave it out"),
    ("--grpc-plugin", "there are no plugins: leave it out"),
    ("--proxy-address", "--proxy ADDRESS:PORT=HOST:PORT, or --bind ADDRESS, sets the listen address"),
    ("--host", "--control HOST:PORT sets the address of the control API"),
    ("--port", "--control HOST:PORT sets the address of the control API"),
];

const MORE_HELP: &str = "Every fault has parameters: --help lists them.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy until Ctrl-C, SIGTERM or the end of --duration.
    ///
    /// The first signal stops accepting and lets sessions finish for --drain-timeout; a second one ends now.
    #[command(after_help = MORE_HELP, after_long_help = "")]
    Run(RunArgs),
    /// Parse everything, resolve and connect to the upstreams, and print what would run.
    #[command(after_help = MORE_HELP, after_long_help = "")]
    Check(RunArgs),
    /// Run again what a --journal recorded, with the same seed, and compare the decisions.
    ///
    /// Proxies, faults and schedules are those of the recorded run; each client that sends the same bytes meets the
    /// same decisions.
    Replay {
        /// The journal.
        file: PathBuf,
    },
    /// Show round trips through a proxy to an upstream of its own, with latency for a while.
    Demo(DemoArgs),
    /// Look at a run and change it, through its control API.
    Ctl(CtlArgs),
    #[command(flatten)]
    Common(Common),
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LogArgs {
    /// The least important level to log: off, error, warn, info, debug, trace [default: info].
    #[arg(long, value_name = "LEVEL", global = true, env = "FAULT_LOG_LEVEL", help_heading = LOG)]
    #[serde(serialize_with = "written::serialize")]
    pub(crate) log_level: Option<LevelFilter>,
    /// How log lines look [default: human].
    #[arg(long, value_name = "FORMAT", global = true, value_enum, help_heading = LOG)]
    pub(crate) log_format: Option<LogFormat>,
    /// Append the log to this file [default: log to stderr].
    #[arg(long, value_name = "FILE", global = true, env = "FAULT_LOG_FILE", help_heading = LOG)]
    pub(crate) log_file: Option<PathBuf>,
}

impl LogArgs {
    pub(crate) fn settings(&self) -> LogSettings {
        LogSettings {
            level: self.log_level.unwrap_or(LevelFilter::INFO),
            format: self.log_format.unwrap_or_default(),
            file: self.log_file.clone(),
        }
    }
}

/// Of `run` and `check`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to listen and what to connect to; can be repeated.
    ///
    /// PORT=HOST:PORT, PORT=SCHEME://HOST, PORT=SCHEME://HOST:PORT or PORT=unix:/PATH; ADDRESS:PORT on the left listens
    /// there. The schemes http, psql and tcp connect in clear; https, tls and psqls over TLS. Several stand in one text
    /// with `;` between them. Replaces the proxies of a configuration file.
    #[arg(long = "proxy", value_name = "MAPPING", env = "FAULT_PROXY", value_delimiter = ';')]
    pub(crate) mappings: Vec<Mapping>,
    /// Read settings from this file: .toml, .yaml, .yml or .json. The environment and flags come before it.
    #[arg(long, value_name = "FILE", env = "FAULT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Bearer token that clients of --control must send; required beyond loopback, unless --control-insecure is set
    /// [default: none].
    #[arg(long, value_name = "TOKEN", env = "FAULT_CONTROL_TOKEN", hide_env_values = true, help_heading = CONTROL)]
    pub(crate) control_token: Option<Secret>,
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this time: 10s, 1m; a bare number is seconds [default: at Ctrl-C].
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<Time>,
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
