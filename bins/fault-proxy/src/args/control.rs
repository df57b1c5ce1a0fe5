//! Settings of the control API.

use std::path::PathBuf;

use clap::ArgAction::Set;
use clap::Args;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::switch;
use serde::{Deserialize, Serialize};
use serde_with::{As, DisplayFromStr};

use super::CONTROL;

/// Settings of the control API that a file may have.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ControlArgs {
    /// Address of the control API, metrics and page: HOST:PORT, :PORT for all interfaces, or off [default: 127.0.0.1:8474].
    #[arg(long, value_name = "ADDR", help_heading = CONTROL)]
    #[serde(with = "As::<Option<DisplayFromStr>>")]
    pub(crate) control: Option<Endpoint>,
    /// Allow clients of other machines to use --control without a token.
    #[arg(long, help_heading = CONTROL, action = Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub(crate) control_insecure: bool,
    /// Address that serves metrics, /livez and /readyz, and nothing else: HOST:PORT, :PORT for all interfaces, or off
    /// [default: off].
    #[arg(long, value_name = "ADDR", help_heading = CONTROL)]
    #[serde(with = "As::<Option<DisplayFromStr>>")]
    pub(crate) metrics: Option<Endpoint>,
    /// Also create the proxies of this file in Toxiproxy's format: a JSON array, as for POST /populate.
    #[arg(long, value_name = "FILE", help_heading = CONTROL)]
    pub(crate) toxiproxy_config: Option<PathBuf>,
}
