//! One session: its number, its draws, and the streams of its connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

#[cfg(feature = "relay")]
use fault_proxy_protocol::Protocol;

use crate::direction::{Direction, Side};
use crate::effect::Opening;
use crate::flow::FaultFlow;
use crate::journal::{Decision, nanos};
use crate::pipeline::SessionContext;
use crate::pipeline::plan::PlanEntry;
use crate::proxy::{self, Faults, MIN_RTT, Watcher};
use crate::shared::SessionShared;
use crate::stream::FaultStream;
use crate::timer::{Timer, Timers};

/// A session that has begun. Faults that refuse clients or delay dialing apply to it first, then faults on
/// its streams.
#[derive(Debug)]
pub struct Session {
    faults: Arc<proxy::Shared>,
    timers: Timers,
    identity: SessionContext,
}

impl Faults {
    /// Begins a session, which gets the next number.
    pub fn session(&self) -> Session {
        let faults = Arc::clone(&self.shared);
        let identity = faults.begin_session();
        Session { faults, timers: self.timers.clone(), identity }
    }
}

impl Session {
    /// Returns the name of the fault that refuses the client of this session, or `None` if no fault does.
    pub fn refused(&self) -> Option<String> {
        let now = self.faults.engine.now();
        let plan = self.faults.plan();
        let entry = plan.iter().find(|entry| {
            let fault = &entry.fault;
            fault.effect.behavior().opening() == Some(Opening::Refuse)
                && fault.windows.is_on(now)
                && self.identity.applies(entry)
        })?;
        entry.counters.record_session();
        entry.counters.record_action();
        self.faults.record(self.identity.decision(now, None, entry, 0, Decision::Refuse));
        Some(entry.fault.name.clone())
    }

    /// Waits for the delays of slow-open faults before the upstream is dialed. The delays start at the
    /// beginning of the session and apply while the faults are on.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait_slow_open(&self) {
        let shared = &self.faults;
        // Most sessions do not have such a fault and need neither a timer nor a watcher.
        if !shared.plan().iter().any(|entry| open_delay(entry).is_some()) {
            return;
        }
        let mut watcher = Watcher::new(Arc::clone(shared));
        let mut timer = Timer::new(self.timers.clone());
        poll_fn(|cx| {
            loop {
                watcher.watch(cx);
                let (plan, now) = (shared.plan(), shared.engine.now());
                let (mut delay, mut until) = (Duration::ZERO, Duration::MAX);
                for entry in plan.iter() {
                    let Some(of_this) = open_delay(entry) else { continue };
                    if !entry.fault.windows.is_on(now) || !self.identity.applies(entry) {
                        continue;
                    }
                    if !of_this.is_zero() {
                        // The client may give up before the delay ends.
                        entry.counters.record_effect();
                    }
                    delay += of_this;
                    until = until.min(entry.fault.windows.next_change(now).unwrap_or(Duration::MAX));
                }
                let opens = self.identity.opened.saturating_add(delay);
                if opens <= now {
                    return Poll::Ready(());
                }
                ready!(timer.poll_until(cx, shared.engine.instant(opens.min(until))));
            }
        })
        .await;
        self.count_slow_opens();
    }

    fn count_slow_opens(&self) {
        let now = self.faults.engine.now();
        for entry in self.faults.plan().iter() {
            if let Some(delay) = open_delay(entry)
                && self.identity.applies(entry)
                && entry.fault.windows.is_on(self.identity.opened)
            {
                let due = self.identity.opened.saturating_add(delay);
                entry.counters.record_session();
                entry.counters.record_action();
                entry.counters.record_requested(delay);
                entry.counters.record_held(now.saturating_sub(self.identity.opened), now.saturating_sub(due));
                let delay_ns = nanos(delay);
                let decision = Decision::Hold { delay_ns };
                self.faults.record(self.identity.decision(now, None, entry, 0, decision));
            }
        }
    }

    /// Sets the round-trip time for packet loss faults without a configured one. It is the time that
    /// connecting took.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.identity.rtt = rtt.max(MIN_RTT);
    }

    /// Returns the protocol of the session if its requests must be read.
    #[cfg(feature = "relay")]
    pub(crate) fn read_protocol(&self) -> Option<Protocol> {
        self.faults.read_protocol()
    }

    /// Applies the faults to the two connections of a proxy, to the client and to the server.
    ///
    /// The faults of each direction act on data that is read from the client or from the server. Writes pass
    /// unchanged. Faults on requests act in a relay only.
    pub fn wrap<C, S>(self, client: C, server: S) -> (FaultStream<C>, FaultStream<S>) {
        let (to_upstream, to_downstream) = self.flows();
        let client = FaultStream::reading(client, to_upstream, Side::Client);
        (client, FaultStream::reading(server, to_downstream, Side::Server))
    }

    /// Applies the faults to the connection of a client: to the data that it writes (requests) and reads
    /// (responses).
    pub fn client<S>(self, stream: S) -> FaultStream<S> {
        let (to_upstream, to_downstream) = self.flows();
        FaultStream::both_ways(stream, to_downstream, to_upstream)
    }

    pub(crate) fn flows(self) -> (FaultFlow, FaultFlow) {
        let Self { faults, timers, identity } = self;
        let common = Arc::new(SessionShared::new(faults, timers, identity));
        let flow = |direction| FaultFlow::new(Arc::clone(&common), direction);
        (flow(Direction::ToUpstream), flow(Direction::ToDownstream))
    }
}

/// Returns how long the fault delays dialing the upstream, or `None` if it does not.
fn open_delay(entry: &PlanEntry) -> Option<Duration> {
    match entry.fault.effect.behavior().opening() {
        Some(Opening::Delay(delay)) => Some(delay),
        _ => None,
    }
}
