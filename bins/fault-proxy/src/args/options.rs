//! Settings that have the same name as flag, variable and key of the file.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::ArgAction::Set;
use clap::{Args, ValueEnum};
use fault_proxy_engine::ByteCount;
use fault_proxy_relay::CONNECT_TIMEOUT;
use proxy_cli::args::{Time, Timeout, switch, whole_number};
use proxy_cli::config::ip_address;
use proxy_cli::signals::DRAIN_TIMEOUT;
use serde::{Deserialize, Serialize};

/// Settings of the run as a whole.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Listen address of mappings that do not set one [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS", env = "FAULT_PROXY_BIND", value_parser = ip_address)]
    pub(crate) bind: IpAddr,
    /// Time limit to resolve and connect to an upstream, and separately for its TLS handshake [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Timeout,
    /// How to end the client connection if the upstream cannot be reached [default: close].
    #[arg(long, value_name = "ACTION", value_enum)]
    pub(crate) on_upstream_failure: OnUpstreamFailure,
    /// End the run after this time, for example 90s, 10m or 1h 30m; a bare number is in seconds [default: until a signal or the end of the last phase].
    #[arg(long, value_name = "TIME", env = "FAULT_PROXY_DURATION")]
    pub(crate) duration: Option<Time>,
    /// Time that open sessions have to finish when the run ends; the rest is reset [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) drain_timeout: Time,
    /// Maximum number of open sessions; further connections wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N", value_parser = whole_number(NonZeroU32::MIN..=NonZeroU32::MAX))]
    pub(crate) max_sessions: Option<NonZeroU32>,
    /// How to move the data of busy TCP sessions [default: copy].
    #[arg(long, value_enum)]
    pub(crate) data_path: DataPath,
    /// Maximum amount of data that faults hold per direction of a session [default: 64MiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight: ByteCount,
    /// Maximum amount of data that faults hold for all sessions [default: 1GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight_total: ByteCount,
    /// Read and count the requests of all proxies for PostgreSQL, HTTP and Redis, even if no fault acts on requests.
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) count_requests: bool,

    /// Write every decision of the faults to this file, for `fault-proxy replay` [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Write a report on the run to this file at its end, as JSON [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write a test case for each condition of --expect and --strict to this file at the end of the run, as JUnit XML [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Exit with code 3 unless this condition holds at the end of the run, for example 'packet-loss.loss<2%' or 'db.commit.unconfirmed=0'; can be
    /// repeated, or set to several conditions with `;` between them [default: none].
    #[arg(long, value_name = "EXPR", value_delimiter = ';')]
    pub(crate) expect: Vec<String>,
    /// Exit with code 3 if a fault never acted on one of its proxies.
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) strict: bool,
    /// Do not show the live view on a terminal.
    #[arg(long, env = "FAULT_PROXY_NO_UI", action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) no_ui: bool,
    /// Log at level info when each fault is switched on and off.
    #[arg(long, env = "FAULT_PROXY_TAILING", action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) tail: bool,
}

impl Default for Options {
    fn default() -> Self {
        let faults = fault_proxy_engine::Settings::default();
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            connect_timeout: Timeout(CONNECT_TIMEOUT),
            on_upstream_failure: OnUpstreamFailure::default(),
            duration: None,
            drain_timeout: Time(DRAIN_TIMEOUT),
            max_sessions: None,
            data_path: DataPath::default(),
            max_in_flight: ByteCount::from(faults.flow_limit),
            max_in_flight_total: ByteCount::from(faults.total_limit),
            count_requests: false,
            journal: None,
            report: None,
            junit: None,
            expect: Vec::new(),
            strict: false,
            no_ui: false,
            tail: false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DataPath {
    /// Through large buffers: highest throughput.
    #[default]
    Copy,
    /// With splice(2): lowest CPU use per byte. Other systems than Linux copy.
    Splice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnUpstreamFailure {
    /// Close the connection: the client reads an end of file, as from HAProxy, nginx and Toxiproxy.
    #[default]
    Close,
    /// Reset the connection.
    Reset,
}

#[cfg(test)]
mod tests {
    use testkit::defaults::shown_in_help;

    use super::*;

    #[test]
    fn help_shows_the_defaults() {
        let addresses = ["bind", "connect-timeout", "on-upstream-failure", "drain-timeout"];
        let limits = ["data-path", "max-in-flight", "max-in-flight-total"];
        assert_eq!(shown_in_help::<Options>(), [&addresses[..], &limits].concat());
    }
}
