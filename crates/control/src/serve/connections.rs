//! Limit of connections of the HTTP server, and the selection of connections to close for new ones.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::activity::Activity;

/// Maximum number of open connections.
const MAX: usize = 256;

/// Minimum time for which a connection must have waited for its client before it is closed for a new one. It
/// gives the client time to send a request, and limits the work that clients cause by immediate reconnects.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// Minimum time without progress before a request is closed for another connection.
const MIN_WORK: Duration = Duration::from_secs(2);

/// All connections of a server. Dropping them closes them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: Vec<(Activity, AbortHandle)>,
    /// True while a connection waits for a slot.
    is_full: Arc<AtomicBool>,
}

impl Connections {
    /// Runs a connection once a slot is free.
    pub(super) async fn run<F>(&mut self, answer: impl FnOnce(Activity) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.make_room().await;
        self.is_full.store(false, Ordering::Relaxed);
        let activity = Activity::new(Arc::clone(&self.is_full));
        let handle = self.tasks.spawn(answer(activity.clone()));
        self.open.push((activity, handle));
    }

    /// Closes the connection that has waited longest for its client. If none waits, closes the request that
    /// has been without progress for the longest time. Until a slot is free, busy connections close after
    /// their next response.
    async fn make_room(&mut self) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.open.retain(|(_, handle)| !handle.is_finished());
            if self.tasks.len() < MAX {
                return;
            }
            self.is_full.store(true, Ordering::Relaxed);
            let due = |(activity, _): &(Activity, AbortHandle)| {
                let (is_working, since) = activity.state();
                let due = since + if is_working { MIN_WORK } else { MIN_WAIT };
                (due, is_working, since)
            };
            let all: Vec<_> = self.open.iter().map(due).collect();
            let now = Instant::now();
            let closable = all.iter().enumerate().filter(|(_, (due, ..))| *due <= now);
            if let Some((place, _)) = closable.min_by_key(|(_, (_, is_working, since))| (*is_working, *since))
            {
                debug!("too many control connections: closing the one that was idle longest");
                self.open.swap_remove(place).1.abort();
                self.tasks.join_next().await;
                continue;
            }
            let next = all.iter().map(|(due, ..)| *due).min().unwrap_or(now);
            select! {
                _ = self.tasks.join_next() => {}
                () = sleep_until(next) => {}
            }
        }
    }
}
