//! The directions and connections of a session.

use serde::{Deserialize, Serialize};

/// One direction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the client to the upstream: requests.
    ToUpstream,
    /// From the upstream to the client: responses.
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
    /// Responses.
    pub to_downstream: bool,
}

impl Directions {
    /// Both directions.
    pub const BOTH: Self = Self { to_upstream: true, to_downstream: true };
    /// Responses.
    pub const TO_DOWNSTREAM: Self = Self { to_upstream: false, to_downstream: true };

    /// Returns true if the set contains `direction`.
    pub fn contains(self, direction: Direction) -> bool {
        match direction {
            Direction::ToUpstream => self.to_upstream,
            Direction::ToDownstream => self.to_downstream,
        }
    }
}

/// Sessions that share a bandwidth limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Each session has its own limit.
    #[default]
    Session,
    /// The sessions of a proxy share one limit.
    Proxy,
    /// The sessions of all proxies with a fault of this name share one limit.
    All,
}

/// One or both connections of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// The connection to the client.
    Client,
    /// The connection to the upstream.
    Server,
    /// Both connections.
    #[default]
    Both,
}
