//! Settings of TLS, to the upstream and from the client.

use std::path::PathBuf;

use clap::ArgAction::Set;
use clap::Args;
use proxy_cli::args::{list, switch};
use serde::{Deserialize, Serialize};

use super::values::{Protocol, SelfSigned};

const UPSTREAM_TLS: &str = "TLS to the upstream (https, psqls, rediss, tls)";
const LISTENER_TLS: &str = "TLS from the client";

/// Settings of TLS to the upstream.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UpstreamTlsArgs {
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
    #[arg(long, help_heading = UPSTREAM_TLS, action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) upstream_insecure: bool,
    /// Application protocols (ALPN) to offer to https, rediss and tls upstreams, separated by commas, for example h2,http/1.1.
    ///
    /// For clients without TLS only: the proxy offers the protocols of a client with TLS [default: none].
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',', help_heading = UPSTREAM_TLS)]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) upstream_alpn: Vec<Protocol>,
    /// For psqls upstreams, start TLS directly with ALPN `postgresql` (PostgreSQL 17 or later) instead of with SSLRequest.
    #[arg(long, help_heading = UPSTREAM_TLS, action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) psqls_direct: bool,
}

/// Settings of TLS from the client.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ListenerTlsArgs {
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
    /// For upstreams without TLS only: an upstream with TLS chooses itself. Requires --tls-cert or --tls-self-signed [default: none].
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',', help_heading = LISTENER_TLS)]
    #[serde(deserialize_with = "list::deserialize")]
    pub(crate) tls_alpn: Vec<Protocol>,
}
