use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use fault_proxy_nats::Config;
use fault_proxy_relay::CONNECT_TIMEOUT;
use serde::Deserialize;

use super::MemoryLimit;
use proxy_cli::args::{Time, Timeout, whole_number};
use proxy_cli::signals::DRAIN_TIMEOUT;

const TUNNELS: &str = "Tunnels";

/// Flags of sessions over NATS. In a file, they are the section `tunnel`.
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TunnelArgs {
    /// Time that a session survives without NATS or without the peer program [default: 60s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub max_outage: Time,
    /// Time limit to connect to a target: for the server to dial it, and for the client to get the response [default:
    /// 10s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub connect_timeout: Timeout,
    /// Time that open sessions have to finish when the program ends; the others are reset [default: 10s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub drain_timeout: Time,
    /// Maximum number of open sessions; further ones wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N", help_heading = TUNNELS, value_parser = whole_number(NonZeroU32::MIN..=NonZeroU32::MAX))]
    pub max_sessions: Option<NonZeroU32>,
    /// Memory for the data of all sessions together, at least 16MiB; beyond it, the largest sessions wait or end
    /// [default: 256MiB].
    #[arg(long, value_name = "BYTES", help_heading = TUNNELS)]
    pub memory_limit: MemoryLimit,
    /// Encoding of data in NATS messages [default: auto].
    #[arg(long, value_enum, help_heading = TUNNELS)]
    pub encoding: Encoding,
    /// Idle time after which a session ends, for peers that do not report the end of a session [default: 1h].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub legacy_idle_timeout: Timeout,
    /// Idle time after which a session ends once one side has half-closed [default: 1h].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub half_close_timeout: Timeout,
}

impl Default for TunnelArgs {
    fn default() -> Self {
        let Config { max_outage, half_close_timeout, legacy_idle_timeout, memory_limit, .. } =
            Config::default();
        Self {
            max_outage: Time(max_outage),
            connect_timeout: Timeout(CONNECT_TIMEOUT),
            drain_timeout: Time(DRAIN_TIMEOUT),
            max_sessions: None,
            memory_limit: MemoryLimit(memory_limit),
            encoding: Encoding::default(),
            legacy_idle_timeout: Timeout(legacy_idle_timeout),
            half_close_timeout: Timeout(half_close_timeout),
        }
    }
}

/// Encoding of data in NATS messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Binary if both programs support it, otherwise JSON.
    #[default]
    Auto,
    /// JSON, which is readable and slower.
    Json,
}

impl Encoding {
    /// Returns the encodings to offer to the peer, best first.
    pub fn offered(self) -> Vec<fault_proxy_nats::Encoding> {
        match self {
            Self::Auto => vec![fault_proxy_nats::Encoding::Binary, fault_proxy_nats::Encoding::Json],
            Self::Json => vec![fault_proxy_nats::Encoding::Json],
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::defaults::shown_in_help;

    use super::*;

    #[test]
    fn help_shows_the_defaults() {
        let durations = ["max-outage", "connect-timeout", "drain-timeout"];
        let others = ["memory-limit", "encoding", "legacy-idle-timeout", "half-close-timeout"];
        assert_eq!(shown_in_help::<TunnelArgs>(), [&durations[..], &others].concat());
    }
}
