use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use crate::args::written;
use crate::log::{LogFormat, LogSettings};

const LOG: &str = "Log";

/// The flags of the log; in a file, `log`. `None` is what nobody gave.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogArgs {
    /// Minimum level to log: off, error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL", env = "LOG_LEVEL", help_heading = LOG)]
    #[serde(rename = "level", deserialize_with = "written::deserialize")]
    pub log_level: Option<LevelFilter>,
    /// Format of the log lines [default: human].
    #[arg(long, value_name = "FORMAT", env = "LOG_FORMAT", value_enum, help_heading = LOG)]
    #[serde(rename = "format")]
    pub log_format: Option<LogFormat>,
    /// Append the log to this file [default: log to stderr].
    #[arg(long, value_name = "FILE", env = "LOG_FILE", help_heading = LOG)]
    #[serde(rename = "file")]
    pub log_file: Option<PathBuf>,
}

impl LogArgs {
    /// Each of these before that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
            log_file: self.log_file.or(other.log_file),
        }
    }

    /// With the defaults.
    pub fn resolve(self) -> LogSettings {
        LogSettings {
            level: self.log_level.unwrap_or(LevelFilter::INFO),
            format: self.log_format.unwrap_or_default(),
            file: self.log_file,
        }
    }
}
