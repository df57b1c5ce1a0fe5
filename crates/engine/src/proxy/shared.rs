//! State that the sessions of a proxy share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use fault_proxy_protocol::Protocol;
use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;

use crate::direction::Direction;
use crate::effect::{Fault, Place};
use crate::engine;
use crate::journal::{Decision, JournalEntry};
use crate::pipeline::SessionContext;
use crate::pipeline::plan::{self, Plan};
use crate::requests::count::RequestCounters;
use crate::stats::{DurationCounters, DurationHistogram, FlowCounters};

/// Minimum round-trip time of simulated senders that use the measured one. It is also their default without a
/// measurement.
pub(crate) const MIN_RTT: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<engine::Shared>,
    pub(crate) proxy: Arc<str>,
    /// Current plan. Sessions read it, so it is only locked while it is copied or replaced.
    plan: Mutex<Plan>,
    /// Locked while the next plan is made.
    changing: Mutex<()>,
    version: AtomicU64,
    watchers: Mutex<Slab<Waker>>,
    /// Number of the last session. Locked while a session starts, so that all faults count sessions in the order of their numbers.
    sessions: Mutex<u64>,
    pub(super) listeners: Listeners,
    /// Counters for each direction.
    pub(super) counters: [FlowCounters; 2],
    /// Times for which faults held data, in both directions.
    delays: DurationCounters,
    pub(crate) requests: RequestCounters,
    /// Protocol of the sessions, and whether it is read even if no fault needs it. Changed together with the plan.
    protocol: Mutex<Option<Protocol>>,
    reads_requests: AtomicBool,
}

impl Shared {
    pub(super) fn new(engine: Arc<engine::Shared>, proxy: &str, faults: Vec<Fault>) -> Self {
        let plan = plan::next(&[], faults, None, Duration::ZERO, |name| engine.buckets(name));
        Self {
            engine,
            proxy: proxy.into(),
            plan: Mutex::new(plan),
            changing: Mutex::default(),
            counters: Default::default(),
            version: AtomicU64::new(0),
            watchers: Mutex::default(),
            sessions: Mutex::new(0),
            listeners: Listeners::default(),
            delays: DurationCounters::new(),
            requests: RequestCounters::default(),
            protocol: Mutex::new(None),
            reads_requests: AtomicBool::new(false),
        }
    }

    /// Replaces the plan, then wakes all watchers.
    pub(super) fn replace(&self, faults: Vec<Fault>) {
        let changing = self.changing.lock();
        self.change(faults);
        drop(changing);
        self.wake();
    }

    /// Sets the protocol of sessions that begin from now on.
    pub(super) fn set_protocol(&self, protocol: Option<Protocol>) {
        let changing = self.changing.lock();
        if std::mem::replace(&mut *self.protocol.lock(), protocol) != protocol {
            self.change(self.plan().iter().map(|entry| entry.fault.clone()).collect());
        }
        drop(changing);
        self.wake();
    }

    /// Makes sessions that begin from now on read their requests, even if no fault acts on requests.
    pub(super) fn read_requests(&self) {
        self.reads_requests.store(true, Ordering::Relaxed);
    }

    /// Returns the protocol that a new session reads, or `None` if it does not read its requests.
    pub(crate) fn read_protocol(&self) -> Option<Protocol> {
        (*self.protocol.lock()).filter(|_| self.reads_requests.load(Ordering::Relaxed))
    }

    /// Replaces the plan.
    fn change(&self, faults: Vec<Fault>) {
        let protocol = *self.protocol.lock();
        let next =
            plan::next(&self.plan(), faults, protocol, self.engine.now(), |name| self.engine.buckets(name));
        if next.iter().any(|entry| entry.on.is_some()) {
            self.read_requests();
        }
        *self.plan.lock() = next;
        self.version.fetch_add(1, Ordering::Release);
    }

    fn wake(&self) {
        self.listeners.changed.notify_waiters();
        let watchers: Vec<_> = self.watchers.lock().iter().map(|(_, waker)| waker.clone()).collect();
        watchers.iter().for_each(Waker::wake_by_ref);
    }

    pub(crate) fn plan(&self) -> Plan {
        Arc::clone(&self.plan.lock())
    }

    /// Begins a session. It gets the next number, and faults with a selection count it.
    pub(crate) fn begin_session(&self) -> SessionContext {
        let mut number = self.sessions.lock();
        *number += 1;
        let settings = &self.engine.settings;
        let mut context = SessionContext {
            seed: settings.seed,
            proxy: Arc::clone(&self.proxy),
            session: *number,
            opened: self.engine.now(),
            rtt: MIN_RTT,
            has_journal: settings.journal.is_some(),
            selected_by: Box::default(),
        };
        let plan = self.plan();
        let on_sessions = || plan.iter().filter(|entry| entry.place() != Place::Requests);
        let selectors = on_sessions().filter(|entry| entry.fault.windows.is_on(context.opened));
        let selectors = selectors.filter_map(|entry| {
            let selector = entry.selector.as_ref()?;
            selector.select(|| context.is_drawn(entry)).then(|| Arc::clone(selector))
        });
        context.selected_by = selectors.collect();
        drop(number);
        for entry in on_sessions().filter(|entry| context.has_journal && entry.is_selective()) {
            let decision = Decision::Applies { applies: context.applies(entry) };
            self.record(context.decision(context.opened, None, entry, 0, decision));
        }
        context
    }

    /// Counts received bytes, which the flow holds from now on.
    pub(crate) fn on_received(&self, direction: Direction, bytes: usize) {
        self.engine.add_held(bytes);
        self.counters[direction as usize].on_received(bytes);
    }

    /// Counts bytes that were passed on. `byte_micros` is the sum of their hold times.
    pub(crate) fn on_delivered(&self, direction: Direction, bytes: usize, byte_micros: u64) {
        self.engine.remove_held(bytes);
        self.counters[direction as usize].on_delivered(bytes, byte_micros);
        if let Some(micros) = byte_micros.checked_div(bytes as u64) {
            self.record_delay(Duration::from_micros(micros));
        }
    }

    /// Counts the time for which data was held.
    pub(crate) fn record_delay(&self, delay: Duration) {
        self.delays.record(delay);
    }

    pub(super) fn delays(&self) -> DurationHistogram {
        self.delays.load()
    }

    /// Counts bytes that were discarded or lost with their session.
    pub(crate) fn on_lost(&self, direction: Direction, bytes: usize) {
        self.engine.remove_held(bytes);
        self.counters[direction as usize].on_lost(bytes);
    }

    /// Passes a decision of one of the sessions to the journal, if there is one.
    pub(crate) fn record(&self, decision: JournalEntry) {
        if let Some(journal) = &self.engine.settings.journal {
            journal.record(decision);
        }
    }

    /// Returns the version of the plan, which changes with every replacement.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// Number of listeners, and of those that are open.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) are_open: Mutex<Slab<bool>>,
    pub(super) changed: Notify,
}

/// Registration of a task that is woken when the plan changes.
#[derive(Debug)]
pub(crate) struct Watcher {
    faults: Arc<Shared>,
    registered: Option<(usize, Waker)>,
}

impl Watcher {
    pub(crate) fn new(faults: Arc<Shared>) -> Self {
        Self { faults, registered: None }
    }

    /// Wakes the task at the next change. Read the plan after this call, so that no change is missed.
    pub(crate) fn watch(&mut self, cx: &Context<'_>) {
        match &mut self.registered {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((key, waker)) => {
                waker.clone_from(cx.waker());
                self.faults.watchers.lock()[*key].clone_from(cx.waker());
            }
            None => {
                let key = self.faults.watchers.lock().insert(cx.waker().clone());
                self.registered = Some((key, cx.waker().clone()));
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some((key, _)) = &self.registered {
            self.faults.watchers.lock().remove(*key);
        }
    }
}
