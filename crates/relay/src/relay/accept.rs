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
use crate::route::Route;
use crate::shutdown::Shutdown;

/// Shorter than the timers of sessions: half a second against one second and more.
const FIRST_TIMER: Duration = Duration::from_millis(500);

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
        // It comes first, because tokio wakes its own driver for a timer that is due before all others, and short sessions would
        // pay that system call for theirs.
        let mut first_timer = interval(FIRST_TIMER);
        first_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = select! {
                biased;
                () = &mut draining => break,
                accepted = listener.accept() => accepted,
                _ = first_timer.tick(), if !sessions.is_empty() || self.has_rest() => {
                    self.tell_rest(Some(tokio::time::Instant::now()));
                    continue;
                }
            };
            match accepted {
                Ok(Accepted { stream: mut downstream, peer, connector }) => {
                    backoff = Backoff::new();
                    // Only now, so that no listener keeps a place that another has a client for.
                    let place = select! {
                        biased;
                        () = &mut draining => {
                            downstream.abort();
                            break;
                        }
                        place = share.place() => place,
                        // Its connector, which is dropped, lets it ask elsewhere.
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
        self.tell_rest(None);
        drop(abort_on_drop);
    }

    /// Whether warnings were left out that [`tell_rest`](Self::tell_rest) writes in time.
    fn has_rest(&self) -> bool {
        self.failures.has_rest()
            || self.shared.places.has_rest()
            || self.proxy.as_ref().is_some_and(|proxy| proxy.has_rest())
    }

    fn tell_rest(&self, now: Option<tokio::time::Instant>) {
        self.failures.tell_rest(now, self.label.as_deref());
        self.shared.places.tell_rest(now);
        if let Some(proxy) = &self.proxy {
            proxy.tell_rest(now);
        }
    }
}

struct AbortOnDrop(Shutdown);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
