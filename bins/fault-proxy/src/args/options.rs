//! The settings that a command line, the environment and a configuration file may give, under the same names.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use figment::value::Dict;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::{Time, list, switch, written};
use proxy_cli::log::LogFormat;
use proxy_fault::Bytes;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use super::values::{Protocol, SelfSigned};
use super::{CONTROL, LISTENER_TLS, UPSTREAM_TLS};
use crate::config::{FileProxy, Phase};

/// `None` is what nobody gave.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Listen address of mappings that do not set one [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS", env = "FAULT_PROXY_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// Time limit to resolve and connect to an upstream, and separately for its TLS handshake [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Time>,
    /// How to end the client connection if the upstream cannot be reached [default: close].
    #[arg(long, value_name = "ACTION", value_enum, env = "FAULT_ON_UPSTREAM_FAILURE")]
    pub(crate) on_upstream_failure: Option<OnUpstreamFailure>,
    /// End the run after this time, for example 90s, 10m or 1h 30m; a bare number is in seconds [default: until a signal or the end of the last phase].
    #[arg(long, value_name = "TIME", env = "FAULT_PROXY_DURATION")]
    pub(crate) duration: Option<Time>,
    /// Time that open sessions have to finish when the run ends; the rest is reset [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) drain_timeout: Option<Time>,
    /// Maximum number of open sessions; further connections wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N")]
    pub(crate) max_sessions: Option<NonZeroU32>,
    /// How to move the data of busy TCP sessions [default: copy].
    #[arg(long, value_enum)]
    pub(crate) data_path: Option<DataPath>,
    /// Maximum amount of data that faults hold per direction of a session [default: 64MiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight: Option<Bytes>,
    /// Maximum amount of data that faults hold for all sessions [default: 1GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight_total: Option<Bytes>,

    /// Seed of all random decisions; a run with the same seed repeats them [default: a new seed for each run].
    #[arg(long, value_name = "N", env = "FAULT_SEED")]
    pub(crate) seed: Option<u64>,
    /// Read `start:30s;duration:3m` as two windows instead of one.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) strict_schedules: Option<bool>,
    /// Write every decision of the faults to this file, for `fault-proxy replay` [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Exit with code 3 unless this condition holds at the end of the run, for example 'packet-loss.loss<2%'; can be repeated
    /// [default: none].
    #[arg(long, value_name = "EXPR")]
    pub(crate) expect: Vec<String>,

    /// Trust the certificates in this PEM file, of authorities or of servers, in addition to the system's.
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Client certificate to show to upstreams (PEM); requires --upstream-key.
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_cert: Option<PathBuf>,
    /// Private key of --upstream-cert (PEM).
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_key: Option<PathBuf>,
    /// Server name (SNI) to request and to verify [default: the host of the mapping].
    #[arg(long, value_name = "NAME", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_sni: Option<String>,
    /// Accept any certificate. Anyone between the proxy and the upstream can then read and change the traffic.
    #[arg(long, help_heading = UPSTREAM_TLS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) upstream_insecure: Option<bool>,
    /// Application protocols (ALPN) to offer to https and tls upstreams, separated by commas, for example h2,http/1.1.
    ///
    /// For clients in clear only: the proxy offers the protocols of a client with TLS [default: none].
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',', help_heading = UPSTREAM_TLS)]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) upstream_alpn: Vec<Protocol>,
    /// For psqls upstreams, start TLS directly with ALPN `postgresql` (PostgreSQL 17 or later) instead of with SSLRequest.
    #[arg(long, help_heading = UPSTREAM_TLS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) psqls_direct: Option<bool>,

    /// Expect TLS from clients and show them this certificate chain (PEM); requires --tls-key.
    #[arg(long, value_name = "FILE", help_heading = LISTENER_TLS)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", help_heading = LISTENER_TLS)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Expect TLS from clients and show them a certificate that is generated for this run; write it to FILE for clients to trust.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = LISTENER_TLS
    )]
    pub(crate) tls_self_signed: Option<SelfSigned>,
    /// Application protocols (ALPN) to accept from clients, separated by commas, for example h2,http/1.1.
    ///
    /// For upstreams in clear only: an upstream with TLS chooses itself. Requires --tls-cert or --tls-self-signed [default: none].
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',', help_heading = LISTENER_TLS)]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) tls_alpn: Vec<Protocol>,

    /// Address of the control API, metrics and page: HOST:PORT, :PORT for all interfaces, or off [default: 127.0.0.1:8474].
    #[arg(long, value_name = "ADDR", env = "FAULT_CONTROL", help_heading = CONTROL)]
    #[serde(with = "written")]
    pub(crate) control: Option<Endpoint>,
    /// Allow clients of other machines to use --control without a token.
    #[arg(long, help_heading = CONTROL, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) control_insecure: Option<bool>,
    /// Also create the proxies of this file in Toxiproxy's format: a JSON array, as for POST /populate.
    #[arg(long, value_name = "FILE", help_heading = CONTROL)]
    pub(crate) toxiproxy_config: Option<PathBuf>,

    /// Do not show the live view on a terminal.
    #[arg(long, env = "FAULT_PROXY_NO_UI", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) no_ui: Option<bool>,
    /// Log at level info when each fault is switched on and off.
    #[arg(long, env = "FAULT_PROXY_TAILING", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) tail: Option<bool>,

    #[arg(skip)]
    #[serde(with = "written")]
    pub(crate) log_level: Option<LevelFilter>,
    #[arg(skip)]
    pub(crate) log_format: Option<LogFormat>,
    #[arg(skip)]
    pub(crate) log_file: Option<PathBuf>,

    #[arg(skip)]
    #[serde(skip_serializing)]
    pub(crate) faults: Vec<Dict>,
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub(crate) proxies: Vec<FileProxy>,
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub(crate) phases: Vec<Phase>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DataPath {
    /// Through large buffers: highest throughput.
    #[default]
    Copy,
    /// With splice(2): lowest CPU use per byte.
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
