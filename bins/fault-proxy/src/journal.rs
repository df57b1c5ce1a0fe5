//! The journal of a run: its settings in the first line, then a line a decision.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proxy_fault::{Decision, Journal};
use serde::{Deserialize, Serialize};
use tracing::error;

/// Lines that may wait for the disk; sessions that decide more than it takes wait with them, so that none is lost.
const QUEUE: usize = 4096;
/// The file is at most this old.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<S> {
    /// The format of the lines.
    pub(crate) journal: u32,
    pub(crate) seed: u64,
    /// What else the run was made of.
    pub(crate) settings: S,
}

pub(crate) const FORMAT: u32 = 1;

/// Writes the file from a thread of its own.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None`: that was all.
    lines: SyncSender<Option<String>>,
    thread: JoinHandle<io::Result<()>>,
}

/// Told of every decision.
pub(crate) type Teller = Box<dyn Fn(&Decision<'_>) + Send + Sync>;

impl Writer {
    /// Creates the file with its header.
    pub(crate) fn create<S: Serialize>(path: &Path, seed: u64, settings: S) -> Result<Self> {
        let open = || -> Result<File> {
            let mut file = File::create(path)?;
            let header = serde_json::to_string(&Header { journal: FORMAT, seed, settings })?;
            writeln!(file, "{header}")?;
            Ok(file)
        };
        let file = open().with_context(|| format!("--journal {}", path.display()))?;
        let (lines, queue) = sync_channel(QUEUE);
        let name = path.display().to_string();
        let thread = thread::Builder::new().name("journal".into()).spawn(move || {
            let written = write(file, &queue);
            if let Err(error) = &written {
                error!("--journal {name}: {error}: the decisions from now on are not in it");
            }
            written
        })?;
        Ok(Self { lines, thread })
    }

    /// What writes to it.
    pub(crate) fn teller(&self) -> Teller {
        let lines = self.lines.clone();
        Box::new(move |decision| {
            if let Ok(line) = serde_json::to_string(decision) {
                // Fails once the disk has: that is reported at the end.
                let _ = lines.send(Some(line));
            }
        })
    }

    /// Waits until everything is written.
    pub(crate) fn finish(self) -> Result<()> {
        let _ = self.lines.send(None);
        self.thread.join().expect("the journal's thread does not panic").context("the journal is incomplete")
    }
}

/// Whether [`Writer::create`] would succeed. Everything stays as it is.
pub(crate) fn check(path: &Path) -> Result<()> {
    let checked = match fs::metadata(path) {
        Ok(there) if there.is_file() || there.is_dir() => {
            OpenOptions::new().append(true).open(path).map(drop)
        }
        // To open a pipe is to wait for its reader.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => return check(&path.with_file_name(target)),
            Err(_) => File::create_new(path).and_then(|_| fs::remove_file(path)),
        },
        Err(error) => Err(error),
    };
    checked.with_context(|| format!("--journal {}", path.display()))
}

fn write(file: File, lines: &Receiver<Option<String>>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    let mut flush_at = Instant::now() + FLUSH_INTERVAL;
    loop {
        match lines.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
            Ok(Some(line)) => {
                file.write_all(line.as_bytes())?;
                file.write_all(b"\n")?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(RecvTimeoutError::Disconnected) => return file.flush(),
        }
        let now = Instant::now();
        if now >= flush_at {
            file.flush()?;
            flush_at = now + FLUSH_INTERVAL;
        }
    }
}

/// Tells all of them.
pub(crate) fn telling(tellers: Vec<Teller>) -> Option<Journal> {
    (!tellers.is_empty())
        .then(|| Journal::new(move |decision| tellers.iter().for_each(|tell| tell(decision))))
}
