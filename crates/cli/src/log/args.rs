use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_with::{As, DisplayFromStr};
use tracing::level_filters::LevelFilter;

use super::LogFormat;

const LOG: &str = "Log";

/// The flags of the log. The NATS programs have them in the section `log` of their files, without the prefix `log-`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogArgs {
    /// Minimum level to log: off, error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL", help_heading = LOG)]
    #[serde(rename = "log-level", alias = "level", with = "As::<DisplayFromStr>")]
    pub log_level: LevelFilter,
    /// Format of the log lines [default: human].
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = LOG)]
    #[serde(rename = "log-format", alias = "format")]
    pub log_format: LogFormat,
    /// Append the log to this file [default: log to stderr].
    #[arg(long, value_name = "FILE", help_heading = LOG)]
    #[serde(rename = "log-file", alias = "file")]
    pub log_file: Option<PathBuf>,
}

impl Default for LogArgs {
    fn default() -> Self {
        Self { log_level: LevelFilter::INFO, log_format: LogFormat::default(), log_file: None }
    }
}

#[cfg(test)]
mod tests {
    use testkit::defaults::shown_in_help;

    use super::*;

    #[test]
    fn help_shows_the_defaults() {
        assert_eq!(shown_in_help::<LogArgs>(), ["log-level", "log-format"]);
    }
}
