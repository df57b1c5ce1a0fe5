//! The faults of one proxy: what its sessions ask, and who is told when they change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::effect::{Effect, Fault};
use crate::engine;
use crate::plan::{self, Plan};
use crate::session::Session;
use crate::stats::Figures;
use crate::timer::{Timer, Timers};

/// A handle on the faults of a proxy; cheap to clone.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<engine::Shared>,
    pub(crate) proxy: Arc<str>,
    plan: Mutex<Plan>,
    version: AtomicU64,
    watchers: Mutex<Slab<Waker>>,
    sessions: AtomicU64,
}

impl Faults {
    pub(crate) fn new(engine: Arc<engine::Shared>, proxy: &str, faults: Vec<Fault>) -> Self {
        let plan = plan::next(&[], faults, Duration::ZERO, |name| engine.buckets(name));
        Self(Arc::new(Shared {
            engine,
            proxy: proxy.into(),
            plan: Mutex::new(plan),
            version: AtomicU64::new(0),
            watchers: Mutex::default(),
            sessions: AtomicU64::new(0),
        }))
    }

    /// Replaces all faults; open sessions follow at once. What is the same in both stays undisturbed.
    pub fn replace(&self, faults: Vec<Fault>) {
        let shared = &self.0;
        {
            let mut plan = shared.plan();
            *plan = plan::next(&plan, faults, shared.engine.now(), |name| shared.engine.buckets(name));
            shared.version.fetch_add(1, Ordering::Release);
        }
        let watchers: Vec<_> = lock(&shared.watchers).iter().map(|(_, waker)| waker.clone()).collect();
        watchers.iter().for_each(Waker::wake_by_ref);
    }

    /// The faults as they are, in the order in which they act.
    pub fn current(&self) -> Vec<Fault> {
        self.0.plan().iter().map(|entry| entry.fault.clone()).collect()
    }

    /// Each fault with what it has done so far.
    pub fn figures(&self) -> Vec<(Fault, Figures)> {
        self.0.plan().iter().map(|entry| (entry.fault.clone(), entry.stats.figures())).collect()
    }

    /// Begins a session: it gets the next number.
    pub fn session(&self, timers: &Timers) -> Session {
        let number = self.0.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        Session::new(Arc::clone(&self.0), number, timers.clone())
    }

    /// Whether every client is to be refused at this moment, as if nobody listened.
    pub fn is_down(&self) -> bool {
        let now = self.0.engine.now();
        self.0.plan().iter().map(|entry| &entry.fault).any(|fault| {
            fault.effect == Effect::Refuse && fault.probability >= 1.0 && fault.windows.is_on(now)
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

impl Shared {
    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        lock(&self.plan)
    }

    /// Changes with every new plan.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among those who are woken when the plan changes.
#[derive(Debug)]
pub(crate) struct Watcher {
    faults: Arc<Shared>,
    registered: Option<(usize, Waker)>,
}

impl Watcher {
    pub(crate) fn new(faults: Arc<Shared>) -> Self {
        Self { faults, registered: None }
    }

    /// Has the task woken by any change from now on: look at the plan after this, not before.
    pub(crate) fn watch(&mut self, cx: &Context<'_>) {
        match &mut self.registered {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((key, waker)) => {
                waker.clone_from(cx.waker());
                lock(&self.faults.watchers)[*key].clone_from(cx.waker());
            }
            None => {
                let key = lock(&self.faults.watchers).insert(cx.waker().clone());
                self.registered = Some((key, cx.waker().clone()));
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some((key, _)) = &self.registered {
            lock(&self.faults.watchers).remove(*key);
        }
    }
}
