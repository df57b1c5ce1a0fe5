//! The directions and connections of a session.

use serde::{Deserialize, Serialize};

/// One direction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the client to the upstream: requests.
    ToUpstream,
    /// From the upstream to the client: replies.
    ToDownstream,
}

impl Direction {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::ToUpstream => Self::ToDownstream,
            Self::ToDownstream => Self::ToUpstream,
        }
    }
}

/// A set of directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directions {
    /// Requests.
    pub to_upstream: bool,
    /// Replies.
    pub to_downstream: bool,
}

impl Directions {
    /// Both directions.
    pub const BOTH: Self = Self { to_upstream: true, to_downstream: true };
    /// Responses.
    pub const TO_DOWNSTREAM: Self = Self { to_upstream: false, to_downstream: true };

    /// Whether `direction` is one of them.
    pub fn contains(self, direction: Direction) -> bool {
        match direction {
            Direction::ToUpstream => self.to_upstream,
            Direction::ToDownstream => self.to_downstream,
        }
    }
}

/// The sessions that share a bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Each session has its own.
    #[default]
    Session,
    /// The sessions of a proxy share one.
    Proxy,
    /// The sessions of all proxies that have a fault of this name share one.
    All,
}

/// Which of a session's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// The one to the client.
    Client,
    /// The one to the upstream.
    Server,
    /// Both.
    #[default]
    Both,
}
