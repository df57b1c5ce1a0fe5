//! Writer of a journal file, on a separate thread.

use std::fs::File;
use std::io::{self, Write};
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fault_proxy_control::proxies::Change;
use fault_proxy_engine::JournalEntry;
use proxy_cli::open::open_blocking;
use proxy_cli::signals::{Last, Signals};
use proxy_cli::terminal::counted;
use serde::Serialize;
use tokio::time;
use tracing::{error, warn};

use super::{FORMAT, Header, Line};

/// Maximum number of decisions that wait for the disk. Sessions wait while the queue is full, so that no decision is lost.
const QUEUE: usize = 4096;
/// Interval at which the thread collects decisions, so that it does not wake up for each of them.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// Interval at which a thread that waits for the disk checks for free space in the queue and for a shutdown.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Handle to the writing thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Queue,
    thread: JoinHandle<io::Result<()>>,
}

/// Queue between the sessions and the writing thread.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    /// Sends `None` after the last line.
    sender: SyncSender<Option<Line>>,
    recorded: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
    /// State of the shutdown. Sessions and the end of the run do not wait for the disk any longer once it
    /// hurries.
    end: Last,
}

impl Writer {
    /// Creates the file with its header. Once the shutdown of `signals` hurries, sessions and the end of the
    /// run do not wait for the file any longer.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written, or a signal arrived while it blocked.
    pub(crate) fn create<S: Serialize>(
        path: &Path,
        seed: u64,
        settings: S,
        signals: &Signals,
    ) -> Result<Self> {
        let (file, name) = (path.to_owned(), format!("--journal {}", path.display()));
        let header = serde_json::to_string(&Header { journal: FORMAT, seed, settings })?;
        let path = path.to_owned();
        let create =
            move || File::create(path).and_then(|mut file| writeln!(file, "{header}").map(|()| file));
        let notice = || {
            let path = file.display();
            warn!(flag = "--journal", %path, "{name} is blocked: the run starts when something reads from it");
        };
        let journal = open_blocking(create, notice, || signals.have_come()).with_context(|| name.clone())?;
        let (sender, decisions) = sync_channel(QUEUE);
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let thread = thread::Builder::new().name("journal".into()).spawn(move || {
            write(&decisions, journal, &count).inspect_err(|error| {
                let path = file.display();
                error!(flag = "--journal", %path, %error, "{name}: {error}: further decisions are not recorded");
            })
        })?;
        let recorded = Arc::new(AtomicU64::new(0));
        Ok(Self { queue: Queue { sender, recorded, written, end: signals.last().clone() }, thread })
    }

    /// Returns the queue for the decisions of sessions.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Waits until all decisions are written or the shutdown hurries.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { queue, thread } = self;
        queue.send(None);
        // Join the thread only if it has ended, because a blocked file must not delay the end of the run.
        while !thread.is_finished() && !queue.end.hurries() {
            sleep(POLL_INTERVAL);
        }
        if thread.is_finished()
            && let Ok(written) = thread.join()
        {
            written.context("the journal is incomplete")?;
        }
        let written = queue.written.load(Ordering::Relaxed);
        match queue.recorded.load(Ordering::Relaxed).saturating_sub(written) {
            0 => Ok(()),
            lost => bail!("the journal is incomplete: the file did not accept {}", counted(lost, "line")),
        }
    }
}

impl Queue {
    /// Waits for room in the queue. Drops the decision if the file has failed or a second signal has arrived;
    /// [`Writer::finish`] reports the number of lost decisions.
    pub(crate) fn record(&self, decision: JournalEntry) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        self.send(Some(Line::Decision(decision)));
    }

    /// Like [`record`](Self::record), without blocking the thread.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the change is not recorded.
    pub(super) async fn record_change(&self, change: Change) {
        let mut message = Some(Line::Change { change: Box::new(change) });
        while let Err(TrySendError::Full(refused)) = self.sender.try_send(message) {
            if self.end.hurries() {
                break;
            }
            time::sleep(POLL_INTERVAL).await;
            message = refused;
        }
        self.recorded.fetch_add(1, Ordering::Relaxed);
    }

    /// Like [`record`](Self::record).
    pub(super) fn record_last_change(&self, change: Change) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        self.send(Some(Line::Change { change: Box::new(change) }));
    }

    fn send(&self, mut message: Option<Line>) {
        while let Err(TrySendError::Full(refused)) = self.sender.try_send(message) {
            if self.end.hurries() {
                return;
            }
            sleep(POLL_INTERVAL);
            message = refused;
        }
    }
}

/// Writes decisions to the file and counts those that are written.
fn write(decisions: &Receiver<Option<Line>>, mut file: impl Write, written: &AtomicU64) -> io::Result<()> {
    let mut text = Vec::new();
    while let Ok(Some(first)) = decisions.recv() {
        sleep(BATCH_INTERVAL);
        let mut is_last = false;
        let batch = decisions.try_iter().take(QUEUE).map_while(|decision| {
            is_last = decision.is_none();
            decision
        });
        let mut count = 0;
        for decision in iter::once(first).chain(batch) {
            serde_json::to_writer(&mut text, &decision)?;
            text.push(b'\n');
            count += 1;
        }
        file.write_all(&text)?;
        text.clear();
        written.fetch_add(count, Ordering::Relaxed);
        if is_last {
            break;
        }
    }
    Ok(())
}
