//! The program `toxiproxy-server`.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Error, Result};
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser};
use fault_proxy_control::proxies::Spec;
use fault_proxy_control::specs;
use fault_proxy_mapping::ListenAddr;
use proxy_cli::args::{Hint, parse_typed, whole_number};
use proxy_cli::terminal::print;
use tracing::{error, warn};

use super::{boolean, with_long_flags};

/// Runs fault-proxy with the command line of Toxiproxy's server.
///
/// Flags take one or two dashes.
#[derive(Debug, Parser)]
#[command(name = "toxiproxy-server", max_term_width = 110, after_help = VARIABLES)]
#[command(disable_help_flag = true, args_override_self = true, override_usage = USAGE)]
pub(crate) struct Server {
    /// Host or IP address that the API listens on; 0.0.0.0 and an empty host stand for all interfaces.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,
    /// Port that the API listens on.
    #[arg(long, value_name = "PORT", default_value_t = 8474, value_parser = whole_number(0..=u16::MAX))]
    port: u16,
    /// JSON file with the proxies to create at the start.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    config: OsString,
    /// Seed of the random decisions [default: a new seed].
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = whole_number(i64::MIN..=i64::MAX))]
    seed: Option<i64>,
    /// Accepted without effect: fault-proxy always serves GET /metrics.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_parser = boolean, hide_default_value = true)]
    runtime_metrics: bool,
    /// Accepted without effect: fault-proxy always serves GET /metrics.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_parser = boolean, hide_default_value = true)]
    proxy_metrics: bool,
    /// Print the version.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_parser = boolean, hide_default_value = true)]
    version: bool,
    /// Print this help.
    #[arg(long, alias = "h", action = ArgAction::Help)]
    help: Option<bool>,
    #[arg(hide = true)]
    ignored: Vec<OsString>,
}

const USAGE: &str = "\
toxiproxy-server [-host HOST] [-port PORT] [-config FILE] [-seed NUMBER]
                        [-runtime-metrics] [-proxy-metrics] [-version] [-help]";

const HINTS: [Hint; 1] =
    [("*", "this is fault-proxy with the command line of Toxiproxy's server, which has these flags:")];

const VARIABLES: &str = "\
Variables:
  LOG_LEVEL            trace, debug, info, warn, error, fatal, panic or disabled [default: info]
  FAULT_CONTROL_TOKEN  bearer token that clients of the API must send [default: none]
  FAULT_…              the other settings of fault-proxy run";

impl Server {
    /// Parses the arguments. Prints the version and returns `None` if they request it. Exits if they are
    /// invalid or request help.
    ///
    /// # Errors
    /// Returns an error if the version cannot be printed.
    pub(crate) fn parse(args: &[OsString]) -> Result<Option<Self>> {
        let server: Self = parse_typed(&with_long_flags(args), args, &HINTS);
        if server.version {
            print(concat!("toxiproxy-server version ", env!("CARGO_PKG_VERSION")))?;
            return Ok(None);
        }
        Ok(Some(server))
    }

    /// Returns the same settings as a command line of fault-proxy. Exits if the address is invalid.
    pub(crate) fn as_run(&self) -> Vec<OsString> {
        let Self { host, port, .. } = self;
        let control = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        if let Err(problem) = control.parse::<ListenAddr>() {
            let problem = format!("invalid -host {host}: {problem}");
            Self::command().error(ErrorKind::ValueValidation, problem).exit();
        }
        // Toxiproxy closes all connections when it ends, and only logs on a terminal.
        let mut args = vec!["fault-proxy", "run", "--no-ui", "--control-insecure", "--drain-timeout=0"];
        args.extend(["--control", &control]);
        if let Some(level) = log_level().and_then(Result::ok) {
            args.extend(["--log-level", level]);
        }
        let mut args: Vec<_> = args.into_iter().map(OsString::from).collect();
        args.extend(self.seed.map(|seed| format!("--seed={}", seed.cast_unsigned()).into()));
        args
    }

    /// Reads the proxies of the file. Logs errors in it, and settings that are ignored.
    pub(crate) fn proxies(&self) -> Vec<Spec> {
        if let Some(Err(level)) = log_level() {
            error!(LOG_LEVEL = level, "unknown log level; logging at level info");
        }
        if !self.ignored.is_empty() {
            warn!(arguments = ?self.ignored, "arguments ignored: toxiproxy-server only takes flags");
        }
        if self.config.is_empty() {
            return Vec::new();
        }
        let read = fs::read(&self.config).context("cannot read it");
        read.and_then(|json| specs(&json, None).map_err(Error::msg)).unwrap_or_else(|error| {
            let config = self.config.display();
            error!(%config, error = format!("{error:#}"), "configuration file ignored; the API serves without its proxies");
            Vec::new()
        })
    }
}

/// Returns the level of `LOG_LEVEL`, or the text if that is not a level.
fn log_level() -> Option<Result<&'static str, String>> {
    let text = std::env::var_os("LOG_LEVEL").filter(|text| !text.is_empty())?.to_string_lossy().into_owned();
    Some(level(&text).ok_or(text))
}

/// Returns the level for that of zerolog, the log of Toxiproxy.
fn level(text: &str) -> Option<&'static str> {
    const LEVELS: [(&str, &str); 8] = [
        ("trace", "trace"),
        ("debug", "debug"),
        ("info", "info"),
        ("warn", "warn"),
        ("error", "error"),
        ("fatal", "error"),
        ("panic", "error"),
        ("disabled", "off"),
    ];
    LEVELS.iter().find(|(level, _)| level.eq_ignore_ascii_case(text)).map(|(_, own)| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_run(args: &[&str]) -> String {
        let server = Server::try_parse_from([&["toxiproxy-server"], args].concat()).unwrap();
        let args: Vec<_> = server.as_run().into_iter().map(|arg| arg.into_string().unwrap()).collect();
        args[5..].join(" ")
    }

    #[test]
    fn the_command_line_is_consistent() {
        Server::command().debug_assert();
    }

    #[test]
    fn flags_are_those_of_run() {
        for (args, expected) in [
            (&[][..], "--control localhost:8474"),
            (&["--host=0.0.0.0", "--port", "1"], "--control 0.0.0.0:1"),
            (&["--host=", "--proxy-metrics", "--runtime-metrics=F"], "--control :8474"),
            (&["--host", "::1", "--seed=7"], "--control [::1]:8474 --seed=7"),
            (&["--host=a", "--host=b", "--seed", "-1"], "--control b:8474 --seed=18446744073709551615"),
        ] {
            assert_eq!(as_run(args), expected, "{args:?}");
        }
    }

    #[test]
    fn levels_are_those_of_zerolog() {
        let levels = ["Debug", "warn", "PANIC", "disabled", "loud", "3"].map(level);
        assert_eq!(levels, [Some("debug"), Some("warn"), Some("error"), Some("off"), None, None]);
    }
}
