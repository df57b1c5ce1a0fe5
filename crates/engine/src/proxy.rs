//! The faults of one proxy, and the sessions that follow changes of these faults.

mod listener;
mod shared;

use std::sync::Arc;
use std::task::Poll;

use fault_proxy_protocol::Protocol;

pub use self::listener::ListenerHandle;
pub(crate) use self::shared::{MIN_RTT, Shared, Watcher};
use crate::direction::Direction;
use crate::effect::Fault;
use crate::engine::Engine;
use crate::pipeline::plan::PlanEntry;
use crate::requests::count::RequestStats;
use crate::stats::{DurationHistogram, FaultStats, FlowStats};
use crate::timer::{Timer, Timers};

/// Handle to the faults of a proxy. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct Faults {
    pub(crate) shared: Arc<Shared>,
    pub(crate) timers: Timers,
}

impl Engine {
    /// Returns the faults of a proxy. Its name and the seed determine the draws of its sessions.
    pub fn proxy(&self, name: &str, faults: Vec<Fault>) -> Faults {
        let shared = Shared::new(Arc::clone(&self.0), name, faults);
        Faults { shared: Arc::new(shared), timers: Timers::coarse() }
    }
}

impl Faults {
    /// Uses `timers` for sessions and waits that begin through this handle. Defaults to [`Timers::coarse`].
    #[must_use]
    pub fn with_timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Replaces all faults. Open sessions follow immediately. Faults that stay the same are not interrupted.
    pub fn replace(&self, faults: Vec<Fault>) {
        self.shared.replace(faults);
    }

    /// Sets the protocol of the sessions that begin from now on. Faults on requests require a protocol.
    ///
    /// Sessions of a relay read their requests once the proxy has had such a fault, or after [`read_requests`](Self::read_requests). Other
    /// sessions pass as if no protocol was set. Check a fault with [`Fault::check_protocol`] before it is added.
    pub fn set_protocol(&self, protocol: Option<Protocol>) {
        self.shared.set_protocol(protocol);
    }

    /// Makes sessions that begin from now on read and count their requests, even if no fault acts on
    /// requests.
    pub fn read_requests(&self) {
        self.shared.read_requests();
    }

    /// Returns true if a session of a relay that begins now reads and counts its requests.
    pub fn is_reading_requests(&self) -> bool {
        self.shared.read_protocol().is_some()
    }

    /// Returns the counts of each kind of request, in the order of their names. Empty if no session was read.
    pub fn request_stats(&self) -> Vec<RequestStats> {
        self.shared.requests.stats()
    }

    /// Returns the durations of the delivered requests of each kind, as [`RequestStats::duration`] has them.
    pub fn request_durations(&self) -> Vec<(Arc<str>, DurationHistogram)> {
        self.shared.requests.durations()
    }

    /// Returns the number of sessions whose requests were read, but not to the end, for example because they
    /// were encrypted.
    pub fn opaque_sessions(&self) -> u64 {
        self.shared.requests.opaque()
    }

    /// Returns the number of [opaque sessions](Self::opaque_sessions) that may have had further requests. After the switch to another
    /// protocol, in a replication and after a response without a request, no requests follow.
    pub fn unread_sessions(&self) -> u64 {
        self.shared.requests.unread()
    }

    /// Returns the current faults, in the order in which they act.
    pub fn current(&self) -> Vec<Fault> {
        self.shared.plan().iter().map(|entry| entry.fault.clone()).collect()
    }

    /// Returns each fault with its statistics.
    pub fn stats(&self) -> Vec<(Fault, FaultStats)> {
        let stats = |entry: &PlanEntry| {
            let used_up = entry.selector.as_ref().is_some_and(|selector| selector.is_used_up());
            FaultStats { used_up, ..entry.counters.stats() }
        };
        self.shared.plan().iter().map(|entry| (entry.fault.clone(), stats(entry))).collect()
    }

    /// Returns the bytes and delays of all faults in `direction`.
    pub fn flow_stats(&self, direction: Direction) -> FlowStats {
        self.shared.counters[direction as usize].stats()
    }

    /// Returns the times for which faults have held data, in both directions. Each chunk of data that is
    /// passed on counts once, as does each wait of a fault on requests.
    pub fn delays(&self) -> DurationHistogram {
        self.shared.delays()
    }

    /// Returns true if every client must be refused now, as by a closed port.
    pub fn is_refusing(&self) -> bool {
        let now = self.shared.engine.now();
        self.shared.plan().iter().any(|entry| entry.refuses_all(now))
    }

    /// Waits until [`is_refusing`](Self::is_refusing) returns `down`. A closed listener waits for `false`,
    /// and the faults that keep it closed count as having acted.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait_for_refusing(&self, down: bool) {
        let mut watcher = Watcher::new(Arc::clone(&self.shared));
        let mut timer = Timer::new(self.timers.clone());
        std::future::poll_fn(|cx| {
            loop {
                watcher.watch(cx);
                if self.is_refusing() == down {
                    return Poll::Ready(());
                }
                let (plan, now) = (self.shared.plan(), self.shared.engine.now());
                if !down {
                    plan.iter()
                        .filter(|entry| entry.refuses_all(now))
                        .for_each(|entry| entry.counters.record_effect());
                }
                let changes = plan.iter().filter_map(|entry| entry.fault.windows.next_change(now)).min();
                let Some(change) = changes else { return Poll::Pending };
                std::task::ready!(timer.poll_until(cx, self.shared.engine.instant(change)));
            }
        })
        .await;
    }
}
