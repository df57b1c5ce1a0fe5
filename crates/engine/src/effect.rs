//! The resolved effect of a fault.

use std::any::Any;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use crate::direction::{Directions, Scope};
use crate::requests::rule::RequestFault;
use crate::schedule::Windows;
use crate::selection::Selection;
use crate::stage::Stage;
use crate::stage::rng::DrawKey;
use crate::stats::FaultStats;
use crate::token_bucket::TokenBucket;

/// A fault of a proxy, ready to be applied to its sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Name, unique within the proxy. It identifies the random draws, the statistics and the journal entries
    /// of the fault.
    pub name: String,
    /// Directions of a session that the fault applies to.
    pub directions: Directions,
    /// Fraction of sessions that the fault applies to, 0 to 1. Drawn once per session.
    pub probability: f64,
    /// Sessions that the fault applies to, by the order in which they start.
    pub selection: Selection,
    /// Times at which the fault is on, since the start of the run.
    pub windows: Windows,
    /// Effect of the fault.
    pub effect: Effect,
}

impl Fault {
    /// Returns a fault that is always on, in both directions of every session. `effect` is one of [`faults`](crate::faults).
    pub fn new(name: impl Into<String>, effect: impl Into<Effect>) -> Self {
        Self {
            name: name.into(),
            directions: Directions::BOTH,
            probability: 1.0,
            selection: Selection::ALL,
            windows: Windows::always(),
            effect: effect.into(),
        }
    }

    /// Returns the earliest time since the start of the run, but not before `from`, at which the fault can act. Returns `None` if it
    /// cannot act any more, because of its schedule.
    pub fn next_action(&self, from: Duration) -> Option<Duration> {
        let delay = self.effect.behavior().min_delay();
        self.windows.iter().find_map(|(start, end)| {
            let acts = start.max(from).saturating_add(delay);
            end.is_none_or(|end| acts < end).then_some(acts)
        })
    }
}

/// The effect of a fault: one of [`faults`](crate::faults). `Display` writes one line for users, such as
/// `latency normal 300 ms ± 40 ms`.
#[derive(Debug, Clone)]
pub struct Effect(Arc<dyn Behavior>);

impl Effect {
    /// Returns the effect as a `T`, or `None` if it has another type.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        (self.behavior() as &dyn Any).downcast_ref()
    }

    /// Returns which of the [`FaultStats`] show whether the fault did what was requested.
    pub fn measured(&self) -> Measured {
        self.behavior().measured()
    }

    /// Returns true if the effect refuses clients. A proxy may then close its port.
    pub fn is_refusal(&self) -> bool {
        self.behavior().opening() == Some(Opening::Refuse)
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

impl Display for Effect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}

/// Behavior of a type of fault.
pub(crate) trait Behavior: Same + Debug + Send + Sync {
    /// Writes the effect as text: see [`Effect`]'s `Display`.
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result;

    /// Returns the place at which the fault acts.
    fn place(&self) -> Place;

    /// Returns the stage that acts on a flow while the fault is on, or `None` if the fault has no effect on a flow.
    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        None
    }

    /// Returns the effect on a session that has no flows yet.
    fn opening(&self) -> Option<Opening> {
        None
    }

    /// Returns which requests the fault acts on, if it acts on requests and not on flows.
    fn requests(&self) -> Option<&RequestFault> {
        None
    }

    /// Returns the sessions that share a [`Start::bucket`].
    fn scope(&self) -> Scope {
        Scope::Session
    }

    /// Returns the time for which the fault must be on before it can act.
    fn min_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the maximum size of a segment in bytes, if the fault sets it.
    fn segment_size(&self) -> Option<u32> {
        None
    }

    /// See [`Effect::measured`].
    fn measured(&self) -> Measured {
        Measured::Actions
    }
}

/// Place at which a fault acts, in the order that data passes through.
///
/// Changes of content come first, then the sender, the bottleneck and the path, and last what the receiver
/// observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Opening,
    Content,
    Sender,
    Bottleneck,
    Path,
    Variation,
    End,
    Pieces,
    Blackhole,
    Timeout,
    Amount,
    Reset,
    /// Acts on requests instead of at a place in a flow.
    Requests,
}

/// Effect of a fault on a session that has no flows yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Refuses the client.
    Refuse,
    /// Delays dialing the upstream by this time.
    Delay(Duration),
}

/// The [`FaultStats`] that show whether a fault did what was requested.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Measured {
    /// Drawn delays and measured hold times.
    Delays,
    /// The rate. The value is the requested rate in bytes per second.
    Rate(f64),
    /// The share of segments that were lost.
    Loss,
    /// The number of sessions, because the fault acts on all of their data.
    Sessions,
    /// The number of actions.
    Actions,
}

impl FaultStats {
    /// Returns how often a fault with this effect was applied. The value never decreases.
    ///
    /// | measured | counted |
    /// |---|---|
    /// | delays | delays drawn |
    /// | rate, sessions | sessions: it acts all the time |
    /// | loss | segments lost |
    /// | actions | [`actions`](Self::actions) |
    pub fn applied(&self, effect: &Effect) -> u64 {
        match effect.measured() {
            Measured::Delays => self.requested_delay.map_or(0, |drawn| drawn.count),
            Measured::Rate(_) | Measured::Sessions => self.sessions,
            Measured::Loss => self.lost,
            Measured::Actions => self.actions,
        }
    }

    /// Returns true if it has affected anything: it delayed, held or changed data, or it ended or refused a session.
    pub fn has_acted(&self, effect: &Effect) -> bool {
        let acted = match effect.measured() {
            Measured::Delays => self.requested_delay.is_some_and(|drawn| !drawn.max.is_zero()),
            Measured::Rate(_) => false,
            Measured::Loss => self.lost > 0,
            Measured::Sessions | Measured::Actions => self.actions > 0,
        };
        acted || self.has_affected
    }
}

/// Arguments of a stage.
pub(crate) struct Start {
    /// When the fault is switched on.
    pub(crate) since: Duration,
    /// The measured round-trip time of the session.
    pub(crate) rtt: Duration,
    /// Shared by the sessions of the fault's [`scope`](Behavior::scope).
    pub(crate) bucket: Arc<TokenBucket>,
    pub(crate) key: DrawKey,
}

/// Comparison of effects whose type is unknown.
pub(crate) trait Same: Any {
    /// Returns whether `other` has the same type and is equal.
    fn is_same(&self, other: &dyn Behavior) -> bool;
}

impl<T: Any + PartialEq> Same for T {
    fn is_same(&self, other: &dyn Behavior) -> bool {
        (other as &dyn Any).downcast_ref::<T>() == Some(self)
    }
}
