//! What a fault does, with every parameter resolved and known to make sense.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delay::Delay;
use crate::loss::LossModel;
use crate::schedule::Windows;

/// A fault of a proxy, ready to be applied to its sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Unique within its proxy. Names the fault's own random draws, its statistics and its journal lines.
    pub name: String,
    /// The directions of a session that it applies to.
    pub flows: Flows,
    /// The share of sessions that it applies to, 0 to 1; drawn once a session.
    pub probability: f64,
    /// When it is on, counted from the start of the run.
    pub windows: Windows,
    /// What it does there and then.
    pub effect: Effect,
}

impl Fault {
    /// A fault that is always on, in both directions of every session.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self { name: name.into(), flows: Flows::BOTH, probability: 1.0, windows: Windows::always(), effect }
    }
}

/// One direction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the client to the upstream: requests.
    ToUpstream,
    /// From the upstream to the client: replies.
    ToDownstream,
}

/// A set of directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flows {
    /// Requests.
    pub to_upstream: bool,
    /// Replies.
    pub to_downstream: bool,
}

impl Flows {
    /// Both directions.
    pub const BOTH: Self = Self { to_upstream: true, to_downstream: true };

    /// Whether `direction` is one of them.
    pub fn contains(self, direction: Direction) -> bool {
        match direction {
            Direction::ToUpstream => self.to_upstream,
            Direction::ToDownstream => self.to_downstream,
        }
    }
}

/// What a fault does to a session, or to one direction of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Each segment is held for a time drawn anew.
    Latency {
        /// How long.
        delay: Delay,
        /// Only the first segment of a flow is held.
        once: bool,
    },
    /// Now and then a segment is held for a time drawn uniformly from 0 to `amplitude`.
    Jitter {
        /// The longest hold.
        amplitude: Duration,
        /// Held segments a second, at most.
        frequency: f64,
    },
    /// A token bucket.
    Bandwidth {
        /// Bytes a second. With 0 no byte passes until it changes or goes.
        rate: f64,
        /// Bytes that may pass at once after a pause.
        burst: u64,
        /// Who shares the bucket.
        scope: Scope,
    },
    /// Segments are lost and sent again by a simulated TCP sender: bytes are late, never gone.
    PacketLoss {
        /// Which segments are lost.
        model: LossModel,
        /// The round-trip time of the simulated path; `None`: the connection time measured.
        rtt: Option<Duration>,
        /// Bytes a segment holds at most.
        mss: u32,
    },
    /// Nothing passes.
    Blackhole {
        /// Bytes that come meanwhile are gone, instead of passing when it ends.
        discard: bool,
    },
    /// The session's connections are reset (TCP: RST).
    Reset {
        /// This long after the session opened or the fault was switched on, whichever is later.
        after: Duration,
        /// Not before this many bytes have passed in its direction since then, if given.
        bytes: Option<u64>,
        /// Which connections are reset; the other one is closed.
        sides: Sides,
    },
    /// Nothing passes, and both connections are closed.
    Timeout {
        /// This long after the session opened or the fault was switched on; `None`: they are not closed.
        after: Option<Duration>,
        /// Bytes that come meanwhile are gone, and when the fault goes the connections are closed: instead of both passing on then.
        discard: bool,
    },
    /// The session's connections are reset (TCP: RST) after something has come, which is gone.
    ResetOnData {
        /// This long after the first bytes, or the half-close, came in its direction.
        after: Duration,
    },
    /// The end of a flow (half-close) is held.
    SlowClose {
        /// How long.
        delay: Duration,
    },
    /// Bytes pass in small pieces.
    Slicer {
        /// Bytes a piece on average, at least 1.
        size: u32,
        /// Bytes that a piece may have more or less than that; less than `size`.
        variation: u32,
        /// Between a piece and the next.
        delay: Duration,
    },
    /// Both connections are closed after this many bytes in its direction; after 0, when the first would pass.
    LimitData {
        /// Counted from the session's opening, or from when the fault was switched on; not anew when its limit changes.
        bytes: u64,
    },
    /// New clients are refused.
    Refuse,
    /// The upstream is dialled later.
    SlowOpen {
        /// How much.
        delay: Duration,
    },
    /// Bits are flipped.
    Corrupt {
        /// The share of bytes in which one bit is flipped, 0 to 1.
        rate: f64,
    },
}

/// Who shares a bandwidth.
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
pub enum Sides {
    /// The one to the client.
    Client,
    /// The one to the upstream.
    Server,
    /// Both.
    #[default]
    Both,
}
