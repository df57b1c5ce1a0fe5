//! Definition of the command line.

use std::path::PathBuf;

use clap::{Arg, Args, Parser, Subcommand};
use fault_proxy_mapping::Mapping;
use proxy_cli::args::{Given, Hint, Time, flag_names, with_variable, with_variables};
use proxy_cli::commands::{Common, health_at};
use proxy_cli::faults::{FaultArgs, FaultOptions};
use proxy_cli::log::LogArgs;
use proxy_cli::secret::Secret;

use crate::ctl::complete;

mod control;
mod ctl;
mod margin;
mod options;
mod tls;
mod values;

pub(crate) use control::ControlArgs;
pub(crate) use ctl::{ApiArgs, CtlArgs, CtlCommand, FaultCommand, attribute};
pub(crate) use margin::MarginArgs;
pub(crate) use options::{DataPath, OnUpstreamFailure, Options};
pub(crate) use tls::{ListenerTlsArgs, UpstreamTlsArgs};
pub(crate) use values::{Protocol, SelfSigned};

const CONTROL: &str = "Control while it runs";

/// TCP proxy that injects network faults to test how services behave on a bad network.
///
/// Connect a client to the proxy instead of its database, cache or broker. The proxy forwards all data unchanged until a fault
/// delays, throttles, stalls or closes connections, or corrupts data.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
#[command(mut_subcommands(health_at(Some("127.0.0.1:8474"), Some("FAULT_CONTROL"))))]
#[command(mut_subcommands(with_run_variables), mut_args(global))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: Given<LogArgs>,
}

const EXAMPLES: &str = "\
Examples:
  fault-proxy demo
      watch a latency fault come and go; requires nothing else
  fault-proxy run --proxy 35432=psql://my-db:5432
      then: psql -h 127.0.0.1 -p 35432
  fault-proxy run --proxy 9090=https://www.google.com
      then: curl -H 'Host: www.google.com' http://127.0.0.1:9090
  fault-proxy run --proxy 35432=psql://my-db:5432 --with-latency --latency-mean 300ms --latency-stddev 40ms
      responses of the database arrive 300 ms later
  fault-proxy check --proxy 35432=psqls://my-db
      validate the settings and connect to the upstream, without running

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration,
3 an --expect condition was not met, or with --strict a fault never acted.";

/// Hints for flags that do not exist.
pub(crate) const HINTS: [Hint; 17] = [
    ("--upstream", "--proxy PORT=HOST:PORT sets the listen port and the upstream"),
    ("--upstreams", "--proxy PORT=HOST:PORT sets the listen port and the upstream"),
    ("--with-dns", "there are no faults for DNS: faults act on TCP connections"),
    (
        "--with-http-response",
        "use --with-respond --respond-on GET --respond-status 503 on a mapping with the scheme http or https",
    ),
    ("--disable-http-proxy", "there is no HTTP proxy to disable: remove the flag"),
    ("--grpc-plugin", "there are no plugins: remove the flag"),
    ("--proxy-address", "--proxy ADDRESS:PORT=HOST:PORT, or --bind ADDRESS, sets the listen address"),
    ("*-ttl", "a fault of a flag is not removed: set its schedule, for example --latency-sched duration:30s"),
    ("*-after-bytes", AFTER_BYTES),
    ("*-at", AT),
    ("--host", CONTROL_OR_TOXIPROXY),
    ("--port", CONTROL_OR_TOXIPROXY),
    ("--config", CONFIG_OR_TOXIPROXY),
    ("--seed", SEED_OR_TOXIPROXY),
    ("--runtime-metrics", TOXIPROXY),
    ("--proxy-metrics", TOXIPROXY),
    ("--version", "use --version, or `fault-proxy toxiproxy-server -version`"),
];

const AFTER_BYTES: &str = "only three faults start after an amount of data: --blackhole-after-bytes, --timeout-after-bytes and --reset-after-bytes";
const AT: &str = "only four faults have a moment: --latency-at, --blackhole-at, --timeout-at and --reset-at";
const CONTROL_OR_TOXIPROXY: &str = "use `fault-proxy run --control HOST:PORT`, or `fault-proxy toxiproxy-server -host=HOST -port=PORT` for the flags of Toxiproxy";
const CONFIG_OR_TOXIPROXY: &str = "use `fault-proxy run --config FILE`, or `fault-proxy toxiproxy-server -config=FILE` for the flags of Toxiproxy";
const SEED_OR_TOXIPROXY: &str = "use `fault-proxy run --seed NUMBER`, or `fault-proxy toxiproxy-server -seed=NUMBER` for the flags of Toxiproxy";
const TOXIPROXY: &str = "use `fault-proxy toxiproxy-server -host=HOST` for the flags of Toxiproxy";

/// Prefix of the program's variables.
pub(crate) const VARIABLES: &str = "FAULT_";

const MARGIN_HELP: &str = "\
Example:
  fault-proxy margin --proxy 6380=localhost:6379 --vary latency.mean=0..5s --resolution 10ms -- pytest -q tests/checkout
      prints: passes up to 210 ms, fails from 220 ms (3 of 3)

Variables of the command: FAULT_PROXY_ADDR, FAULT_PROXY_HOST and FAULT_PROXY_PORT have the address of the first proxy. For a proxy
with a name, such as cache@6380=localhost:6379, it is also in FAULT_PROXY_CACHE_ADDR, FAULT_PROXY_CACHE_HOST and FAULT_PROXY_CACHE_PORT.

Exit codes: 0 measured, 1 could not be measured, 2 wrong usage or configuration, 3 the command does not pass up to --at-least.";

const MORE_HELP: &str = "Use --help for the parameters of each fault.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy until Ctrl-C, SIGTERM or the end of --duration.
    ///
    /// The first signal stops accepting clients and gives sessions --drain-timeout to finish. A second signal ends the run immediately.
    #[command(after_help = MORE_HELP, after_long_help = "")]
    Run(RunArgs),
    /// Validate all settings, connect to the upstreams and print the resulting configuration.
    #[command(after_help = MORE_HELP, after_long_help = "")]
    Check(CheckArgs),
    /// Repeat a run that --journal recorded, with the same seed, and compare the decisions.
    ///
    /// The replay has the proxies, faults and schedules of the recorded run. It is exact only if the clients send the same bytes.
    Replay {
        /// Journal of the recorded run.
        file: PathBuf,
        /// Print the comparison as JSON instead of the tables.
        #[arg(long)]
        json: bool,
    },
    /// Find the value of a fault's parameter from which a command fails, for example the latency that a test suite tolerates.
    ///
    /// Runs the command many times, each time behind new proxies, and bisects the range of the parameter. A run passes if the command exits
    /// with code 0. Prints the limit with its confidence.
    #[command(after_help = MARGIN_HELP)]
    Margin(Box<MarginArgs>),
    /// Show round trips through a proxy to a built-in upstream, with and without latency.
    Demo(DemoArgs),
    /// List the types of faults, or describe one with its parameters.
    Faults {
        /// Type of fault, for example latency.
        #[arg(add = complete::types())]
        name: Option<String>,
    },
    /// Inspect and change a running proxy through its control API.
    Ctl(CtlArgs),
    /// Show a running proxy on this terminal, live, and change its faults by keys.
    ///
    /// `run` shows the same view when it is started on a terminal. Press ? for the keys.
    Top(ApiArgs),
    #[command(flatten)]
    Common(Common),
}

/// Arguments of `run`, `check` and `margin`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Listen port and upstream; can be repeated.
    ///
    /// PORT=HOST:PORT, PORT=SCHEME://HOST, PORT=SCHEME://HOST:PORT or PORT=unix:/PATH. Use ADDRESS:PORT on the left to set the
    /// listen address. The schemes http, psql, redis and tcp connect without TLS; https, psqls, rediss and tls connect with TLS. Separate several
    /// mappings in one text with `;`. They replace the proxies of a configuration file.
    #[arg(long = "proxy", value_name = "MAPPING", value_delimiter = ';')]
    pub(crate) mappings: Vec<Mapping>,
    /// Configuration file: .toml, .yaml, .yml or .json. Flags and environment variables take precedence over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Bearer token that clients of --control must send; required beyond loopback, unless --control-insecure is set
    /// [default: none].
    #[arg(long, value_name = "TOKEN", hide_env_values = true, help_heading = CONTROL)]
    pub(crate) control_token: Option<Secret>,
    #[command(flatten)]
    pub(crate) run: Given<Options>,
    #[command(flatten)]
    pub(crate) fault_options: Given<FaultOptions>,
    #[command(flatten)]
    pub(crate) upstream_tls: Given<UpstreamTlsArgs>,
    #[command(flatten)]
    pub(crate) listener_tls: Given<ListenerTlsArgs>,
    #[command(flatten)]
    pub(crate) control: Given<ControlArgs>,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Returns the flags that are also keys at the top level of the file.
pub(crate) fn file_keys() -> Vec<String> {
    let flags = [
        flag_names::<Options>(),
        flag_names::<FaultOptions>(),
        flag_names::<UpstreamTlsArgs>(),
        flag_names::<ListenerTlsArgs>(),
        flag_names::<ControlArgs>(),
        flag_names::<LogArgs>(),
    ];
    flags.concat()
}

/// Makes a flag of the log available in all commands, with its variable.
fn global(arg: Arg) -> Arg {
    with_variable(arg.global(true), VARIABLES)
}

/// Adds the variables of the commands that run proxies.
fn with_run_variables(command: clap::Command) -> clap::Command {
    match command.get_name() {
        "run" | "check" => with_variables(command, VARIABLES),
        "margin" => with_variables(command, VARIABLES).mut_args(margin::for_margin),
        _ => command,
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this time, for example 10s or 1m; a bare number is in seconds [default: at Ctrl-C].
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<Time>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::toxiproxy::Server;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_flags_of_toxiproxys_server_have_a_hint() {
        for flag in Server::command().get_arguments().filter_map(|arg| arg.get_long()) {
            let has_hint = HINTS.iter().any(|(name, hint)| {
                name.strip_prefix("--") == Some(flag) && hint.contains("toxiproxy-server -")
            });
            assert!(has_hint || flag == "help", "{flag}");
        }
    }
}
