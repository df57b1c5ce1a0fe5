//! Changes by clients of the control API in the journal.

use std::sync::atomic::{AtomicU64, Ordering};

use fault_proxy_control::proxies::Proxies;
use tracing::error;

use super::writer::Queue;

/// Records changes after they were made, so that a slow disk does not delay clients.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    proxies: &'a Proxies,
    queue: Queue,
    /// Number of the last recorded change.
    last: AtomicU64,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(proxies: &'a Proxies, queue: Queue) -> Self {
        Self { proxies, queue, last: AtomicU64::new(0) }
    }

    /// Records each change. Never returns.
    pub(crate) async fn follow(&self) {
        loop {
            for change in self.proxies.changes_after(self.last.load(Ordering::Relaxed)).await {
                let number = change.number();
                self.queue.record_change(change).await;
                self.recorded(number);
            }
        }
    }

    /// Records the changes that [`follow`](Self::follow) has not seen.
    pub(crate) fn finish(&self) {
        let last = self.last.load(Ordering::Relaxed);
        for change in self.proxies.changes().into_iter().filter(|change| change.number() > last) {
            let number = change.number();
            self.queue.record_last_change(change);
            self.recorded(number);
        }
    }

    fn recorded(&self, number: u64) {
        let lost = number - self.last.swap(number, Ordering::Relaxed) - 1;
        if lost > 0 {
            error!(
                lost,
                "the journal is incomplete: changes were made faster than the disk could record them"
            );
        }
    }
}
