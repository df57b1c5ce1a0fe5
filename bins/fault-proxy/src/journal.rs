//! The journal of a run: its settings in the first line, then a line a decision.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proxy_fault::{Decision, Direction, Journal, Verdict};
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

const FORMAT: u32 = 1;

/// Writes the file from a thread of its own.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None`: that was all.
    lines: SyncSender<Option<String>>,
    thread: JoinHandle<io::Result<()>>,
}

/// Told of every decision.
type Teller = Box<dyn Fn(&Decision<'_>) + Send + Sync>;

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

/// Where a decision was made, and what it was: without its time, which no two runs share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct Recorded {
    proxy: String,
    session: u64,
    direction: Option<Direction>,
    fault: String,
    offset: u64,
    #[serde(flatten)]
    verdict: Verdict,
}

/// Reads a journal: its header, and its decisions to be made again.
pub(crate) fn read<S: for<'de> Deserialize<'de>>(path: &Path) -> Result<(Header<S>, Comparison)> {
    let read = || -> Result<(Header<S>, Comparison)> {
        let mut lines = BufReader::new(File::open(path)?).lines();
        let first = lines.next().context("it is empty")??;
        let header: Header<S> = serde_json::from_str(&first).context("its first line is no journal's")?;
        if header.journal != FORMAT {
            bail!("it has format {}, this version reads {FORMAT}", header.journal);
        }
        let mut expected = HashMap::new();
        for (number, line) in lines.enumerate() {
            let recorded: Recorded = serde_json::from_str(&line?)
                .with_context(|| format!("line {} is no decision", number + 2))?;
            *expected.entry(recorded).or_insert(0) += 1;
        }
        Ok((header, Comparison(Arc::new(Mutex::new(Counts { expected, same: 0, new: 0 })))))
    };
    read().with_context(|| format!("cannot replay {}", path.display()))
}

/// The decisions of a run held against those of a journal.
#[derive(Debug, Clone)]
pub(crate) struct Comparison(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    expected: HashMap<Recorded, u64>,
    same: u64,
    new: u64,
}

impl Comparison {
    /// What compares.
    pub(crate) fn teller(&self) -> Teller {
        let comparison = self.clone();
        Box::new(move |decision| comparison.tell(decision))
    }

    fn tell(&self, decision: &Decision<'_>) {
        let recorded = Recorded {
            proxy: decision.proxy.to_owned(),
            session: decision.session,
            direction: decision.direction,
            fault: decision.fault.to_owned(),
            offset: decision.offset,
            verdict: decision.verdict,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.expected.get_mut(&recorded).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                counts.same += 1;
            }
            None => counts.new += 1,
        }
    }

    /// For people, at the end.
    pub(crate) fn report(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left: u64 = counts.expected.values().sum();
        format!(
            "replayed {} of {} decisions; {left} were not made again, {} were not in the journal",
            counts.same,
            counts.same + left,
            counts.new
        )
    }
}

/// Tells all of them.
pub(crate) fn telling(tellers: Vec<Teller>) -> Option<Journal> {
    (!tellers.is_empty())
        .then(|| Journal::new(move |decision| tellers.iter().for_each(|tell| tell(decision))))
}
