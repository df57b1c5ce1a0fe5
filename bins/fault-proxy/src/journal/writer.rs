//! The file of a journal, written by a thread of its own.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use proxy_cli::signals::Last;
use proxy_cli::terminal::counted;
use serde::Serialize;
use tracing::error;

use super::{FORMAT, Header, Teller};

/// Lines that may wait for the disk; sessions that decide more than it takes wait with them, so that none is lost.
const QUEUE: usize = 4096;
/// The file is at most this old.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// How often a thread that waits for the disk looks whether it still may.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Writes the file.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Queue>);

/// What is between the sessions and the thread that writes.
#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    /// Notified when the state changes.
    changed: Condvar,
    /// When it hurries, nobody waits for the disk.
    end: Last,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines.
    text: Vec<u8>,
    /// In the text.
    lines: usize,
    /// On their way to the disk.
    leaving: usize,
    /// Not written, and never to be.
    lost: usize,
    /// No line comes any more.
    is_closed: bool,
    failed: Option<io::Error>,
}

impl Writer {
    /// Creates the file with its header. Nobody waits for it any more once `end` hurries.
    pub(crate) fn create<S: Serialize>(path: &Path, seed: u64, settings: S, end: Last) -> Result<Self> {
        let open = || -> Result<File> {
            let mut file = File::create(path)?;
            let header = serde_json::to_string(&Header { journal: FORMAT, seed, settings })?;
            writeln!(file, "{header}")?;
            Ok(file)
        };
        let file = open().with_context(|| format!("--journal {}", path.display()))?;
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), end });
        let name = path.display().to_string();
        let of_thread = Arc::clone(&queue);
        // Not joined: a file that takes nothing must not hold up the end of the run.
        thread::Builder::new().name("journal".into()).spawn(move || of_thread.write(file, &name))?;
        Ok(Self(queue))
    }

    /// What writes to it.
    pub(crate) fn teller(&self) -> Teller {
        let queue = Arc::clone(&self.0);
        Box::new(move |decision| {
            if let Ok(line) = serde_json::to_string(decision) {
                queue.push(&line);
            }
        })
    }

    /// Waits until everything is written, or nobody may wait for it any more.
    pub(crate) fn finish(self) -> Result<()> {
        self.0.finish().context("the journal is incomplete")
    }
}

impl Queue {
    /// A file that has failed, or that nobody may wait for, takes no line: that is reported at the end.
    fn push(&self, line: &str) {
        let mut state = self.wait_while(|state| state.lines >= QUEUE && state.failed.is_none());
        if state.lines >= QUEUE || state.failed.is_some() {
            state.lost += 1;
            return;
        }
        state.text.extend_from_slice(line.as_bytes());
        state.text.push(b'\n');
        state.lines += 1;
        if state.lines == 1 || state.lines == QUEUE / 2 {
            self.changed.notify_all();
        }
    }

    fn finish(&self) -> Result<()> {
        self.lock().is_closed = true;
        self.changed.notify_all();
        let mut state = self.wait_while(|state| state.lines + state.leaving > 0 && state.failed.is_none());
        let lost = state.lost + state.lines + state.leaving;
        if let Some(error) = state.failed.take() {
            return Err(error.into());
        }
        if lost > 0 {
            bail!("the file did not take {}", counted(lost as u64, "decision"));
        }
        Ok(())
    }

    /// Waits for as long as it may.
    fn wait_while(&self, waits: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while waits(&state) && !self.end.hurries() {
            let waited = self.changed.wait_timeout(state, LOOK_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Writes what there is at each interval, and more often if there is much of it.
    fn write(&self, mut file: impl Write, name: &str) {
        let mut text = Vec::new();
        loop {
            let mut state = self.lock();
            state.leaving = 0;
            self.changed.notify_all();
            while state.lines == 0 && !state.is_closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.lines == 0 {
                return;
            }
            let is_small = |state: &mut State| state.lines < QUEUE / 2 && !state.is_closed;
            let waited = self.changed.wait_timeout_while(state, FLUSH_INTERVAL, is_small);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            text.clear();
            std::mem::swap(&mut text, &mut state.text);
            state.leaving = std::mem::take(&mut state.lines);
            drop(state);
            // sessions may fill what has become free
            self.changed.notify_all();
            if let Err(error) = file.write_all(&text) {
                error!("--journal {name}: {error}: the decisions from now on are not in it");
                self.lock().failed = Some(error);
                self.changed.notify_all();
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
