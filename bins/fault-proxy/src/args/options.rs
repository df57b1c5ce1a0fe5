//! The settings that a command line, the environment and a configuration file may give, under the same names.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use proxy_cli::addr::Endpoint;
use proxy_cli::args::{Time, list, switch, written};
use proxy_cli::log::LogFormat;
use proxy_fault::{Bytes, FaultParams};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use super::values::{Protocol, SelfSigned};
use super::{CONTROL, LISTENER_TLS, UPSTREAM_TLS};
use crate::config::{FileProxy, Phase};

/// `None` is what nobody gave.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// The address that mappings without one listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS", env = "FAULT_PROXY_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// The time to resolve and connect to an upstream, and again for its TLS handshake [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Time>,
    /// How to end the client connection if the upstream cannot be reached [default: close].
    #[arg(long, value_name = "ACTION", value_enum, env = "FAULT_ON_UPSTREAM_FAILURE")]
    pub(crate) on_upstream_failure: Option<OnUpstreamFailure>,
    /// End the run after this time: 90s, 10m, 1h 30m; a bare number is seconds.
    #[arg(long, value_name = "TIME", env = "FAULT_PROXY_DURATION")]
    pub(crate) duration: Option<Time>,
    /// How long sessions may go on when the run ends; what is left then is reset [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) drain_timeout: Option<Time>,
    /// Sessions at once; further connections wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N")]
    pub(crate) max_sessions: Option<NonZeroU32>,
    /// How busy TCP sessions move bytes [default: copy].
    #[arg(long, value_enum)]
    pub(crate) data_path: Option<DataPath>,
    /// Bytes that faults may hold of one direction of a session [default: 64MiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight: Option<Bytes>,
    /// Bytes that faults may hold of all sessions together [default: 1GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_in_flight_total: Option<Bytes>,

    /// Repeat the random draws of a run with this seed [default: a new one each run].
    #[arg(long, value_name = "N", env = "FAULT_SEED")]
    pub(crate) seed: Option<u64>,
    /// Read `start:30s;duration:3m` as two windows, and not as the one that was probably meant.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) strict_schedules: Option<bool>,
    /// Write what faults did to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Exit with code 3 unless this condition holds at the end of the run, for example 'packet-loss.loss<2%'; can be repeated
    /// [default: none].
    #[arg(long, value_name = "EXPR")]
    pub(crate) expect: Vec<String>,

    /// Trust the certificates in this PEM file, of authorities or of servers, in addition to the system's.
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Show this client certificate (PEM).
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_cert: Option<PathBuf>,
    /// The key of --upstream-cert (PEM).
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_key: Option<PathBuf>,
    /// Ask for this name (SNI) and verify it, instead of the mapping's host.
    #[arg(long, value_name = "NAME", help_heading = UPSTREAM_TLS)]
    pub(crate) upstream_sni: Option<String>,
    /// Accept any certificate. Anyone on the way can then read and change the traffic.
    #[arg(long, help_heading = UPSTREAM_TLS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) upstream_insecure: Option<bool>,
    /// Application protocols (ALPN) to offer to https and tls upstreams, separated by commas, for example h2,http/1.1.
    ///
    /// For clients in clear only: the proxy offers the protocols of a client with TLS [default: none].
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',', help_heading = UPSTREAM_TLS)]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) upstream_alpn: Vec<Protocol>,
    /// For psqls: open TLS at once with ALPN `postgresql` (PostgreSQL 17), instead of asking with SSLRequest.
    #[arg(long, help_heading = UPSTREAM_TLS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) psqls_direct: Option<bool>,

    /// Expect TLS from clients, and show them this certificate chain (PEM).
    #[arg(long, value_name = "FILE", help_heading = LISTENER_TLS)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", help_heading = LISTENER_TLS)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Expect TLS from clients, and show them a certificate made for this run; FILE gets a copy to trust.
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

    /// Serve the control API, metrics and the page here: HOST:PORT, or off [default: 127.0.0.1:8474].
    #[arg(long, value_name = "ADDR", env = "FAULT_CONTROL", help_heading = CONTROL)]
    #[serde(with = "written")]
    pub(crate) control: Option<Endpoint>,
    /// Let whoever reaches --control use it, without a token, also from other machines.
    #[arg(long, help_heading = CONTROL, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) control_insecure: Option<bool>,
    /// Make the proxies of this file of the compatible API too: a JSON array, as POST /populate takes it.
    #[arg(long, value_name = "FILE", help_heading = CONTROL)]
    pub(crate) toxiproxy_config: Option<PathBuf>,

    /// Show no live view on a terminal.
    #[arg(long, env = "FAULT_PROXY_NO_UI", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) no_ui: Option<bool>,
    /// Log when each fault is switched on and off, as sessions' ends are, also beside the progress bar.
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
    pub(crate) faults: Vec<FaultParams>,
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
    /// Through large buffers: most bytes a second.
    #[default]
    Copy,
    /// By splice(2): least CPU a byte.
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
