//! Shutdown: signals, the duration of a run, and the deadline for the end of the process.

use std::future::pending;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_relay::Shutdown;
use parking_lot::Mutex;
use tokio::runtime;
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::service;
use crate::sys::EndSignals;
use crate::terminal::print_error;

/// Default time that open sessions have to finish when a program ends.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for writes to blocked files and pipes after sessions are reset.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time limit to write the last line to stderr.
const LINE_TIMEOUT: Duration = Duration::from_millis(500);

/// Number of pending requests. The second one resets the sessions.
const MAX_REQUESTS: usize = 2;

/// Exit status of a program that missed the deadline for its end.
const FAILED: u8 = 1;

/// Drains at the first signal or at the end of `duration`. Returns at a second signal or after the drain timeout. The caller
/// then aborts the remaining sessions.
pub async fn end(mut signals: Signals, duration: Option<Duration>, shutdown: &Shutdown) {
    let drain_timeout = signals.drain_timeout;
    signals.last.does("its sessions were ending");
    signals.ends_after(duration);
    let duration = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => pending().await,
        }
    };
    let drain_timeout_ms = u64::try_from(drain_timeout.as_millis()).unwrap_or(u64::MAX);
    select! {
        name = signals.next() => info!(
            signal = name,
            drain_timeout_ms,
            "{name}: draining for up to {}; a second signal resets the open sessions",
            humantime::format_duration(drain_timeout)
        ),
        () = duration => info!(drain_timeout_ms, "the run's duration is over: draining"),
    }
    shutdown.drain();
    service::stopping();
    select! {
        name = signals.next() => warn!(signal = name, "{name}: resetting the remaining sessions"),
        () = sleep(drain_timeout) => warn!(drain_timeout_ms, "drain timeout reached: resetting the remaining sessions"),
    }
}

/// SIGINT and SIGTERM, or Ctrl-C and Ctrl-Break on Windows. A separate thread receives them, and ends the process if the
/// shutdown stalls.
#[derive(Debug)]
pub struct Signals {
    received: watch::Receiver<Received>,
    seen: u32,
    drain_timeout: Duration,
    duration_end: watch::Sender<Option<Instant>>,
    last: Last,
    requests: mpsc::Sender<&'static str>,
}

/// Requests the end of the program as a signal does, for example for Ctrl-C while a view reads the keys of the terminal. Clones
/// share it.
#[derive(Debug, Clone)]
pub struct EndRequest(mpsc::Sender<&'static str>);

impl EndRequest {
    /// Counts as a signal with this name.
    pub fn send(&self, name: &'static str) {
        // The third request has no effect, as with signals.
        self.0.try_send(name).ok();
    }
}

/// Signals that the program has received.
#[derive(Debug, Clone, Copy, Default)]
struct Received {
    count: u32,
    name: &'static str,
}

/// State of the shutdown: the current step, and whether it still may wait. Clones share the state.
#[derive(Debug, Clone)]
pub struct Last {
    stage: Arc<Mutex<Stage>>,
    hurries: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct Stage {
    name: &'static str,
    status: u8,
}

impl Last {
    fn new() -> Self {
        let stage = Stage { name: "it was starting", status: FAILED };
        Self { stage: Arc::new(Mutex::new(stage)), hurries: CancellationToken::new() }
    }

    /// Sets the current step, for example "its report was being written". The last line names it if the program misses the
    /// deadline.
    pub fn does(&self, name: &'static str) {
        self.stage.lock().name = name;
    }

    /// Sets the exit status for a missed deadline. Defaults to 1.
    pub fn fails_with(&self, status: u8) {
        self.stage.lock().status = status;
    }

    /// Returns true if the program must not wait for files or pipes any longer.
    pub fn hurries(&self) -> bool {
        self.hurries.is_cancelled()
    }
}

impl Signals {
    /// Handles both signals from now on. The first signal, or the end of the duration, starts the shutdown, and sessions have
    /// `drain_timeout` to finish. After that, or at a second signal, files and pipes may block for 1 s. The process then has
    /// `end_timeout` until it is ended with a line on stderr.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler or a thread.
    pub fn new(program: &'static str, drain_timeout: Duration, end_timeout: Duration) -> Result<Self> {
        Self::start(program, drain_timeout, end_timeout, EndSignals::new)
    }

    /// Like [`new`](Self::new), and also handles SIGHUP, which a closed terminal sends, on Linux unless it is ignored.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler or a thread.
    pub fn with_hangup(
        program: &'static str,
        drain_timeout: Duration,
        end_timeout: Duration,
    ) -> Result<Self> {
        Self::start(program, drain_timeout, end_timeout, EndSignals::with_hangup)
    }

    fn start(
        program: &'static str,
        drain_timeout: Duration,
        end_timeout: Duration,
        signals: fn() -> io::Result<EndSignals>,
    ) -> Result<Self> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("cannot handle signals")?;
        let signals = {
            let _context = runtime.enter();
            signals().context("cannot handle signals")?
        };
        let (sender, received) = watch::channel(Received::default());
        let (duration_end, end_of_duration) = watch::channel(None);
        let last = Last::new();
        let (requests, requested) = mpsc::channel(MAX_REQUESTS);
        let watcher = Watcher {
            program,
            signals,
            sender,
            end_of_duration,
            drain_timeout,
            end_timeout,
            last: last.clone(),
            requested,
        };
        // The thread is not joined, because it enforces the end of the process and must not be waited for.
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(watcher.run()))
            .context("cannot handle signals")?;
        Ok(Self { received, seen: 0, drain_timeout, duration_end, last, requests })
    }

    /// Returns the state of the shutdown.
    pub fn last(&self) -> &Last {
        &self.last
    }

    /// Returns what a view calls when Ctrl-C is pressed.
    pub fn end_request(&self) -> EndRequest {
        EndRequest(self.requests.clone())
    }

    /// Returns true if a signal has arrived.
    pub fn have_come(&self) -> bool {
        self.received.borrow().count > 0
    }

    /// Waits for the next signal and returns its name.
    ///
    /// # Cancel safety
    /// Dropping the future loses no signal.
    pub async fn next(&mut self) -> &'static str {
        let seen = self.seen;
        match self.received.wait_for(|received| received.count > seen).await {
            Ok(received) => {
                self.seen += 1;
                received.name
            }
            Err(_) => pending().await,
        }
    }

    fn ends_after(&self, duration: Option<Duration>) {
        let end = duration.and_then(|duration| Instant::now().checked_add(duration));
        self.duration_end.send_replace(end);
    }
}

/// State of the signal thread.
struct Watcher {
    program: &'static str,
    signals: EndSignals,
    sender: watch::Sender<Received>,
    end_of_duration: watch::Receiver<Option<Instant>>,
    drain_timeout: Duration,
    end_timeout: Duration,
    last: Last,
    requested: mpsc::Receiver<&'static str>,
}

impl Watcher {
    async fn run(mut self) {
        let mut end_of_duration = self.end_of_duration.clone();
        let duration = async {
            match end_of_duration.wait_for(Option::is_some).await.map(|end| *end) {
                Ok(Some(end)) => sleep_until(end).await,
                _ => pending().await,
            }
        };
        select! {
            () = self.signal() => {}
            () = duration => {}
        }
        let drain_timeout = self.drain_timeout;
        timeout(drain_timeout, self.signal()).await.ok();
        timeout(WRITE_TIMEOUT, self.signal()).await.ok();
        self.last.hurries.cancel();
        sleep(self.end_timeout).await;
        self.end_the_process();
    }

    /// Waits for the next signal and forwards it.
    async fn signal(&mut self) {
        let name = select! {
            name = self.signals.recv() => name,
            Some(name) = self.requested.recv() => name,
        };
        self.sender.send_modify(|received| *received = Received { count: received.count + 1, name });
    }

    fn end_the_process(&self) -> ! {
        let Stage { name, status } = *self.last.stage.lock();
        let program = self.program;
        let (written, waits) = std_mpsc::channel();
        // Another thread may hold the lock of a blocked stderr.
        let writes = thread::Builder::new().spawn(move || {
            print_error(program, format_args!("ended while {name}: unwritten output is lost"));
            written.send(()).ok();
        });
        if writes.is_ok() {
            waits.recv_timeout(LINE_TIMEOUT).ok();
        }
        process::exit(status.into())
    }
}
