//! The faults of one proxy: what its sessions ask, and who is told when they change.

mod listening;
mod shared;

use std::sync::Arc;
use std::task::Poll;

pub use self::listening::Listening;
pub(crate) use self::shared::{Shared, Watcher};
use crate::effect::{Direction, Fault, Opening};
use crate::engine;
use crate::meter::Passage;
use crate::session::Session;
use crate::stats::Figures;
use crate::timer::{Timer, Timers};

/// A handle on the faults of a proxy; cheap to clone.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

impl Faults {
    pub(crate) fn new(engine: Arc<engine::Shared>, proxy: &str, faults: Vec<Fault>) -> Self {
        Self(Arc::new(Shared::new(engine, proxy, faults)))
    }

    /// Replaces all faults; open sessions follow at once. What is the same in both stays undisturbed.
    pub fn replace(&self, faults: Vec<Fault>) {
        self.0.replace(faults);
    }

    /// The faults as they are, in the order in which they act.
    pub fn current(&self) -> Vec<Fault> {
        self.0.plan().iter().map(|entry| entry.fault.clone()).collect()
    }

    /// Each fault with what it has done so far.
    pub fn figures(&self) -> Vec<(Fault, Figures)> {
        self.0.plan().iter().map(|entry| (entry.fault.clone(), entry.stats.figures())).collect()
    }

    /// How much its faults have held up in `direction`.
    pub fn passage(&self, direction: Direction) -> Passage {
        self.0.meter(direction).read()
    }

    /// Begins a session: it gets the next number.
    pub fn session(&self, timers: &Timers) -> Session {
        Session::new(Arc::clone(&self.0), self.0.next_session(), timers.clone())
    }

    /// Whether every client is to be refused at this moment, as if nobody listened.
    pub fn is_down(&self) -> bool {
        let now = self.0.engine.now();
        self.0.plan().iter().map(|entry| &entry.fault).any(|fault| {
            fault.effect.behavior().opening() == Some(Opening::Refuse)
                && fault.probability >= 1.0
                && fault.windows.is_on(now)
        })
    }

    /// Waits until [`is_down`](Self::is_down) answers `down`.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn until_down_is(&self, down: bool, timers: &Timers) {
        let mut watcher = Watcher::new(Arc::clone(&self.0));
        let mut timer = Timer::new(timers.clone());
        std::future::poll_fn(|cx| {
            loop {
                watcher.watch(cx);
                if self.is_down() == down {
                    return Poll::Ready(());
                }
                let now = self.0.engine.now();
                let changes =
                    self.0.plan().iter().filter_map(|entry| entry.fault.windows.next_change(now)).min();
                let Some(change) = changes else { return Poll::Pending };
                std::task::ready!(timer.poll_until(cx, self.0.engine.instant(change)));
            }
        })
        .await;
    }
}
