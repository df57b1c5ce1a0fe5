//! The accept loop.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::select;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, field, info_span, warn};

use super::Relay;
use super::task::{Run, SessionTask};
use crate::listen::{Accepted, Backoff, Listener};
use crate::report::Fields;
use crate::route::Route;
use crate::shutdown::Shutdown;

/// Period of the timer in the accept loop. It must be shorter than every timer of a session, which is one second or
/// more.
const TIMER_PERIOD: Duration = Duration::from_millis(500);

impl Relay {
    /// Accepts from `listener` until `shutdown` drains, then waits for its sessions to end. `shutdown.close()` and
    /// `shutdown.abort()` end them immediately. Returns when all sessions have ended.
    ///
    /// # Cancel safety
    /// Dropping the future aborts its sessions.
    pub async fn run(&self, mut listener: impl Listener, route: Route, shutdown: &Shutdown) {
        let sessions = TaskTracker::new();
        let share = self.share.clone().unwrap_or_else(|| self.shared.places.join());
        let shutdown = shutdown.child();
        let abort_on_drop = AbortOnDrop(shutdown.clone());
        let run = Arc::new(Run { relay: self.clone(), route, shutdown });
        let mut draining = pin!(run.shutdown.draining());
        let mut backoff = Backoff::new();
        // Registering a timer that is due before all others costs a system call, because tokio wakes its driver. This
        // timer is always due first, so that the timers of short sessions do not cost that call.
        let mut timer = interval(TIMER_PERIOD);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = select! {
                biased;
                () = &mut draining => break,
                accepted = listener.accept() => accepted,
                _ = timer.tick(), if !sessions.is_empty() || self.has_suppressed() => {
                    self.warn_suppressed(Some(tokio::time::Instant::now()));
                    continue;
                }
            };
            match accepted {
                Ok(Accepted { stream: mut downstream, peer, connector }) => {
                    backoff = Backoff::new();
                    // Take a place only after accepting. Otherwise an idle listener would keep a place that another
                    // listener has a client for.
                    let place = select! {
                        biased;
                        () = &mut draining => {
                            downstream.abort();
                            break;
                        }
                        place = share.place() => place,
                        // Dropping the connector refuses the request, so that the client can ask another server.
                        () = ready(()), if connector.is_some() => continue,
                        () = self.wait_for_loop(&peer) => {
                            downstream.abort();
                            continue;
                        }
                    };
                    let id = self.shared.last_id.fetch_add(1, Ordering::Relaxed) + 1;
                    let span = info_span!(
                        "session",
                        session.id = id,
                        proxy = self.label.as_deref(),
                        listener = self.listener.as_deref(),
                        client.addr = %peer,
                        upstream.addr = field::Empty,
                    );
                    let task = SessionTask::new(self, id, peer, connector, place);
                    sessions.spawn(task.run(Arc::clone(&run), downstream).instrument(span));
                }
                Err(error) => {
                    let is_fresh = backoff.is_fresh();
                    let Some(wait) = backoff.after(&error) else { continue };
                    if is_fresh {
                        warn!(%error, "cannot accept connections, trying again");
                    }
                    select! {
                        () = &mut draining => break,
                        () = sleep(wait) => {}
                    }
                }
            }
        }
        drop(listener);
        sessions.close();
        sessions.wait().await;
        self.warn_suppressed(None);
        drop(abort_on_drop);
    }

    /// Returns true if warnings were suppressed that [`warn_suppressed`](Self::warn_suppressed) has not written yet.
    fn has_suppressed(&self) -> bool {
        self.failures.has_suppressed()
            || self.shared.places.has_suppressed()
            || self.proxy.as_ref().is_some_and(|proxy| proxy.has_suppressed())
    }

    /// Writes one warning for the suppressed warnings of each kind, if it is due (see [`Throttle::rest`](crate::Throttle::rest)).
    fn warn_suppressed(&self, now: Option<tokio::time::Instant>) {
        // Outside of a session, no span has these fields.
        let (proxy, listener) = (self.label.as_deref(), self.listener.as_deref());
        self.failures.warn_suppressed(now, Fields { proxy, listener, ..self.fields() });
        self.shared.places.warn_suppressed(now);
        if let Some(proxy) = &self.proxy {
            proxy.warn_suppressed(now);
        }
    }
}

struct AbortOnDrop(Shutdown);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
