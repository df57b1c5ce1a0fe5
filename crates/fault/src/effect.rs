//! What a fault does, with every parameter resolved and known to make sense.

use std::any::Any;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::faults::Bucket;
use crate::line::draws::DrawKey;
use crate::line::stage::Stage;
use crate::schedule::Windows;
use crate::stats::Figures;

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
    /// A fault that is always on, in both directions of every session. `effect` is one of [`faults`](crate::faults).
    pub fn new(name: impl Into<String>, effect: impl Into<Effect>) -> Self {
        Self {
            name: name.into(),
            flows: Flows::BOTH,
            probability: 1.0,
            windows: Windows::always(),
            effect: effect.into(),
        }
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

/// What a fault does to a session, or to one direction of it: one of [`faults`](crate::faults). Its display is for people, in a
/// line: `latency normal 300 ms ± 40 ms`.
#[derive(Clone)]
pub struct Effect(Arc<dyn Behavior>);

impl Effect {
    /// Returns the fault of type `T` that this is.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        (self.behavior() as &dyn Any).downcast_ref()
    }

    /// Returns which of a fault's [`Figures`] tell whether it did what was asked for.
    pub fn measured(&self) -> Measured {
        self.behavior().measured()
    }

    pub(crate) fn behavior(&self) -> &dyn Behavior {
        &*self.0
    }
}

impl<T: Behavior> From<T> for Effect {
    fn from(behavior: T) -> Self {
        Self(Arc::new(behavior))
    }
}

impl PartialEq for Effect {
    fn eq(&self, other: &Self) -> bool {
        self.behavior().is_same(other.behavior())
    }
}

impl Debug for Effect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Display for Effect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// What a type of fault implements.
pub(crate) trait Behavior: Same + Debug + Display + Send + Sync {
    /// Where it acts.
    fn place(&self) -> Place;

    /// What it does to a flow while it is on. `None`: nothing.
    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        None
    }

    /// What it does to a session before there is a flow.
    fn opening(&self) -> Option<Opening> {
        None
    }

    /// The sessions that have a [`Start::bucket`] together.
    fn scope(&self) -> Scope {
        Scope::Session
    }

    /// Bytes that a segment has at most, if the fault decides that.
    fn segment_size(&self) -> Option<u32> {
        None
    }

    /// See [`Effect::measured`].
    fn measured(&self) -> Measured {
        Measured::Actions
    }
}

/// Where a fault acts: before there is a flow, or at a place in a flow, from its source on.
///
/// Content comes first, then the sender, the bottleneck and the way, then what the receiver sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Opening,
    Content,
    Sender,
    Bottleneck,
    Way,
    Variation,
    End,
    Pieces,
    Blackhole,
    Timeout,
    Amount,
    Reset,
}

/// What a fault does to a session before there is a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The client is refused.
    Refuse,
    /// The upstream is dialed that much later.
    Delay(Duration),
}

/// Which of a fault's [`Figures`] tell whether it did what was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Measured {
    /// Delays: those drawn, and those that were.
    Delays,
    /// The rate, in bytes a second, of which this one was asked for.
    Rate(f64),
    /// The share of segments that were lost.
    Loss,
    /// It acts all the time: on how many sessions.
    Sessions,
    /// How often it acted.
    Actions,
}

impl Figures {
    /// How often a fault with this effect did what it does; never less than before.
    ///
    /// | measured | counted |
    /// |---|---|
    /// | delays | delays drawn |
    /// | rate, sessions | sessions: it acts all the time |
    /// | loss | segments lost |
    /// | actions | [`actions`](Self::actions) |
    pub fn applied(&self, effect: &Effect) -> u64 {
        match effect.measured() {
            Measured::Delays => self.asked_delay.map_or(0, |drawn| drawn.count),
            Measured::Rate(_) | Measured::Sessions => self.sessions,
            Measured::Loss => self.lost,
            Measured::Actions => self.actions,
        }
    }
}

/// What a stage starts with.
pub(crate) struct Start {
    /// When the fault is switched on.
    pub(crate) since: Duration,
    /// The measured round-trip time of the session.
    pub(crate) rtt: Duration,
    /// Shared by the sessions of the fault's [`scope`](Behavior::scope).
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) key: DrawKey,
}

/// Comparison of faults whose type is not known.
pub(crate) trait Same: Any {
    /// Whether `other` is of this type and equal.
    fn is_same(&self, other: &dyn Behavior) -> bool;
}

impl<T: Any + PartialEq> Same for T {
    fn is_same(&self, other: &dyn Behavior) -> bool {
        (other as &dyn Any).downcast_ref::<T>() == Some(self)
    }
}
