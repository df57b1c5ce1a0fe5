//! The command line, as written.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use proxy_mapping::Mapping;
use tracing::level_filters::LevelFilter;

/// A TCP proxy that makes the network bad on purpose.
///
/// Point a client at the proxy instead of its database, cache or broker: every byte arrives as it was sent.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
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
  fault-proxy check --proxy 35432=psqls://my-db
      parse, resolve, connect; run nothing

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy until Ctrl-C, SIGTERM or the end of --duration.
    ///
    /// The first signal stops accepting and lets sessions finish for --drain-timeout; a second one ends now.
    Run(RunArgs),
    /// Parse the mappings, resolve and connect to their upstreams, and print what would run.
    Check(RouteArgs),
    /// Show round trips through a proxy to an upstream of its own.
    Demo(DemoArgs),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The least important level to log: off, error, warn, info, debug, trace.
    #[arg(
        long,
        global = true,
        env = "FAULT_LOG_LEVEL",
        default_value = "info",
        help_heading = "Log (to stderr)"
    )]
    pub(crate) log_level: LevelFilter,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Log (to stderr)")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) routes: RouteArgs,
    /// End the run after this time: 90s, 10m, 1h 30m; a bare number is seconds.
    #[arg(long, value_name = "TIME", env = "FAULT_PROXY_DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// How long sessions may go on when the run ends; what is left then is reset.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) drain_timeout: Duration,
    /// Sessions at once; further connections wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: Option<u32>,
    /// How busy TCP sessions move bytes.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) data_path: DataPath,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum DataPath {
    /// Through large buffers: most bytes a second.
    #[default]
    Copy,
    /// By splice(2): least CPU a byte.
    Splice,
}

#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Where to listen and what to connect to; can be repeated.
    ///
    /// PORT=HOST:PORT, PORT=SCHEME://HOST, PORT=SCHEME://HOST:PORT or PORT=unix:/PATH; ADDRESS:PORT on the left listens
    /// there. The schemes http, psql and tcp connect in clear; https, tls and psqls over TLS.
    #[arg(long = "proxy", value_name = "MAPPING", required = true)]
    pub(crate) mappings: Vec<Mapping>,
    /// The address that mappings without one listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) bind: IpAddr,
    /// The time to resolve and connect to an upstream, and again for its TLS handshake.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) upstream_tls: UpstreamTlsArgs,
    #[command(flatten)]
    pub(crate) listener_tls: ListenerTlsArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS to the upstream (https, tls, psqls)")]
pub(crate) struct UpstreamTlsArgs {
    /// Trust the CA certificates in this PEM file, besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Show this client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "upstream_key")]
    pub(crate) upstream_cert: Option<PathBuf>,
    /// The key of --upstream-cert (PEM).
    #[arg(long, value_name = "FILE", requires = "upstream_cert")]
    pub(crate) upstream_key: Option<PathBuf>,
    /// Ask for this name (SNI) and verify it, instead of the mapping's host.
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream_sni: Option<String>,
    /// Accept any certificate. Anyone on the way can then read and change the traffic.
    #[arg(long)]
    pub(crate) upstream_insecure: bool,
    /// For psqls: open TLS at once with ALPN `postgresql` (PostgreSQL 17), instead of asking with SSLRequest.
    #[arg(long)]
    pub(crate) psqls_direct: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS from the client")]
pub(crate) struct ListenerTlsArgs {
    /// Expect TLS from clients, and show them this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Expect TLS from clients, and show them a certificate made for this run; FILE gets a copy to trust.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "tls_cert")]
    pub(crate) tls_self_signed: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this time: 10s, 1m; a bare number is seconds [default: at Ctrl-C].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write 90s, 10m or 1h 30m, or a number of seconds"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("10 parsecs").expect_err("no unit of time").contains("write 90s"));
    }
}
