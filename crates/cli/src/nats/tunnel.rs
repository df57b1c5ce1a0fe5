use std::num::NonZeroU32;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::MemoryLimit;
use crate::args::Time;

const TUNNELS: &str = "Tunnels";
const TEN_SECONDS: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The flags of what sessions over NATS may take; in a file, `tunnel`. `None` is what nobody gave.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TunnelArgs {
    /// Time that a session survives without NATS or without the peer program [default: 60s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub max_outage: Option<Time>,
    /// Time limit to reach a target: for the server to dial it, for the client to get the response [default: 10s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub connect_timeout: Option<Time>,
    /// Time that open sessions have to finish when the program ends; the rest is reset [default: 10s].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub drain_timeout: Option<Time>,
    /// Maximum number of open sessions; further ones wait [default: what the limit of open files allows].
    #[arg(long, value_name = "N", help_heading = TUNNELS)]
    pub max_sessions: Option<NonZeroU32>,
    /// Memory for data that all sessions hold together, at least 16MiB; the largest sessions wait or end [default: 256MiB].
    #[arg(long, value_name = "BYTES", help_heading = TUNNELS)]
    pub memory_limit: Option<MemoryLimit>,
    /// Encoding of data in NATS messages [default: auto].
    #[arg(long, value_enum, help_heading = TUNNELS)]
    pub encoding: Option<Encoding>,
    /// Idle time after which a session ends, for peers that do not report the end of a session [default: 1h].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub legacy_idle_timeout: Option<Time>,
    /// Idle time after which a session ends once one side has half-closed [default: 1h].
    #[arg(long, value_name = "TIME", help_heading = TUNNELS)]
    pub half_close_timeout: Option<Time>,
}

/// How bytes stand in NATS messages.
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
    /// What is agreed on with the other program, best first.
    pub fn offered(self) -> Vec<proxy_nats::Encoding> {
        match self {
            Self::Auto => vec![proxy_nats::Encoding::Binary, proxy_nats::Encoding::Json],
            Self::Json => vec![proxy_nats::Encoding::Json],
        }
    }
}

/// What sessions over NATS may take, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelSettings {
    /// How long a session outlives a loss of NATS or of the other program.
    pub max_outage: Duration,
    /// The time to reach a target.
    pub connect_timeout: Duration,
    /// How long sessions may go on when the program ends.
    pub drain_timeout: Duration,
    /// `None`: what the limit of open files allows.
    pub max_sessions: Option<u32>,
    /// Bytes that all sessions together may hold.
    pub memory_limit: usize,
    /// How bytes stand in messages.
    pub encoding: Encoding,
    /// How long nothing may move with a peer of the first version, which cannot tell its end.
    pub legacy_idle_timeout: Duration,
    /// How long nothing may move after one side's end.
    pub half_close_timeout: Duration,
}

impl TunnelArgs {
    /// Each of these before that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_outage: self.max_outage.or(other.max_outage),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            max_sessions: self.max_sessions.or(other.max_sessions),
            memory_limit: self.memory_limit.or(other.memory_limit),
            encoding: self.encoding.or(other.encoding),
            legacy_idle_timeout: self.legacy_idle_timeout.or(other.legacy_idle_timeout),
            half_close_timeout: self.half_close_timeout.or(other.half_close_timeout),
        }
    }

    /// With the defaults.
    pub fn resolve(self) -> TunnelSettings {
        let time = |given: Option<Time>, default| given.map_or(default, |Time(time)| time);
        TunnelSettings {
            max_outage: time(self.max_outage, MINUTE),
            connect_timeout: time(self.connect_timeout, TEN_SECONDS),
            drain_timeout: time(self.drain_timeout, TEN_SECONDS),
            max_sessions: self.max_sessions.map(u32::from),
            memory_limit: self.memory_limit.unwrap_or_default().0,
            encoding: self.encoding.unwrap_or_default(),
            legacy_idle_timeout: time(self.legacy_idle_timeout, HOUR),
            half_close_timeout: time(self.half_close_timeout, HOUR),
        }
    }
}
