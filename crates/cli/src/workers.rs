//! Worker threads that relay sessions.
//!
//! They are in a library, and none of its functions is generic, so that the profile `release` optimizes the code that
//! relays without optimizing the programs.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use fault_proxy_engine::{Faults, ListenerHandle, TimerDriver, Timers};
use fault_proxy_relay::{Connector, Handshake, OnUpstreamFailure, Relay, Route, Shutdown, TcpAcceptor};
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::error;

use crate::bind::SPREADS_CONNECTIONS;
use crate::listener::FaultListener;

/// Maximum number of jobs that wait for a thread.
const QUEUE: usize = 64;

/// Job of all threads for one proxy.
#[derive(Debug, Clone)]
pub struct RelayJob {
    /// The relay, which counts and limits the sessions.
    pub relay: Relay,
    /// Handshake with a client before the connection to the upstream, such as that of TLS.
    pub handshake: Option<Arc<dyn Handshake>>,
    /// Connects to the upstream.
    pub connector: Arc<dyn Connector>,
    /// Faults, or `None` if the proxy can never have any.
    pub faults: Option<Faults>,
    /// End of the connection of a client whose upstream cannot be connected to.
    pub on_upstream_failure: OnUpstreamFailure,
    /// Ends the job.
    pub shutdown: Shutdown,
}

/// Part of a job for one thread.
#[derive(Debug)]
struct WorkerJob {
    work: RelayJob,
    /// Listeners, one for each address.
    listeners: Vec<TcpListener>,
    /// Registration of the listener, if the proxy can have faults. It counts as open before its thread starts.
    listening: Option<ListenerHandle>,
    /// Keeps the tracker of the job non-empty until the job is done.
    token: TaskTrackerToken,
}

/// Handle that assigns jobs to the threads.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    threads: Vec<mpsc::Sender<WorkerJob>>,
    /// Index of the thread for the next group of listeners.
    next: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// Returns the number of listener groups of a proxy: one for each thread if the system distributes connections among sockets,
    /// otherwise one.
    pub fn groups(&self) -> usize {
        if SPREADS_CONNECTIONS { self.threads.len() } else { 1 }
    }

    /// Relays each group of listeners on a thread until the shutdown of the job has ended every session. The
    /// returned tracker is then empty.
    ///
    /// A session stays on the thread that accepted it. Wake-ups across threads would slow down short sessions and round trips.
    ///
    /// # Errors
    /// Returns an error if the threads have ended, and closes the job.
    pub async fn relay(&self, groups: Vec<Vec<TcpListener>>, work: RelayJob) -> Result<TaskTracker> {
        let ended = TaskTracker::new();
        let first = self.next.fetch_add(groups.len(), Ordering::Relaxed) % self.threads.len();
        for (thread, listeners) in self.threads.iter().cycle().skip(first).zip(groups) {
            let listening = work.faults.as_ref().map(Faults::listener);
            let share = WorkerJob { work: work.clone(), listeners, listening, token: ended.token() };
            if thread.send(share).await.is_err() {
                // Some threads may already have received their part.
                work.shutdown.close();
                bail!("the run is shutting down");
            }
        }
        ended.close();
        Ok(ended)
    }
}

/// Worker threads, each with its own runtime.
#[derive(Debug)]
pub struct Workers {
    handle: WorkerHandle,
    threads: Vec<JoinHandle<Result<()>>>,
    working: mpsc::Receiver<()>,
}

impl Workers {
    /// Starts `count` threads, which end when `shutdown` drains and their sessions have ended.
    ///
    /// # Errors
    /// Returns an error if the system has no descriptors for a runtime or a timer.
    pub fn start(count: usize, shutdown: &Shutdown) -> Result<Self> {
        let (is_working, working) = mpsc::channel(1);
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        // Create all runtimes first, so that a lack of descriptors is reported before anything runs.
        let workers = (0..count).map(|_| Worker::new()).collect::<Result<Vec<_>>>()?;
        for worker in workers {
            let (thread, shares) = mpsc::channel(QUEUE);
            senders.push(thread);
            let (shutdown, is_working) = (shutdown.clone(), is_working.clone());
            threads.push(thread::spawn(move || {
                let relayed = worker.run(shares, &shutdown);
                drop(is_working);
                relayed
            }));
        }
        Ok(Self { handle: WorkerHandle { threads: senders, next: Arc::default() }, threads, working })
    }

    /// Returns the handle that assigns jobs to the threads.
    pub fn handle(&self) -> &WorkerHandle {
        &self.handle
    }

    /// Waits until all threads have ended.
    pub async fn ended(&mut self) {
        while self.working.recv().await.is_some() {}
    }

    /// Joins the threads after the shutdown.
    ///
    /// # Errors
    /// Returns the error of a thread whose timer failed.
    pub fn join(self) -> Result<()> {
        drop(self.handle);
        let join = |thread: JoinHandle<Result<()>>| thread.join().expect("sessions that panic end alone");
        self.threads.into_iter().try_for_each(join)
    }
}

/// A thread before its start.
#[derive(Debug)]
struct Worker {
    runtime: Runtime,
    timers: Timers,
    driver: TimerDriver,
}

impl Worker {
    fn new() -> Result<Self> {
        let runtime = runtime()?;
        let (timers, driver) = {
            let _context = runtime.enter();
            Timers::precise().context("cannot create a timer")?
        };
        Ok(Self { runtime, timers, driver })
    }

    fn run(self, shares: mpsc::Receiver<WorkerJob>, shutdown: &Shutdown) -> Result<()> {
        let Self { runtime, timers, driver } = self;
        let relayed = runtime.block_on(async {
            select! {
                () = relay_all(shares, &timers, shutdown) => Ok(()),
                failed = driver.run() => failed.map(|never| match never {}).context("the timer driver failed"),
            }
        });
        // A pending lookup must not delay the end.
        runtime.shutdown_background();
        relayed
    }
}

async fn relay_all(mut shares: mpsc::Receiver<WorkerJob>, timers: &Timers, shutdown: &Shutdown) {
    let relays = TaskTracker::new();
    loop {
        let share = select! {
            biased;
            () = shutdown.draining() => break,
            share = shares.recv() => share,
        };
        let Some(share) = share else { break };
        let timers = timers.clone();
        relays.spawn(async move {
            if let Err(error) = relay(share, timers).await {
                error!(error = %format_args!("{error:#}"), "cannot relay: {error:#}");
            }
        });
    }
    // Close the ports of jobs that arrived too late.
    shares.close();
    while shares.recv().await.is_some() {}
    relays.close();
    relays.wait().await;
}

async fn relay(share: WorkerJob, timers: Timers) -> Result<()> {
    let WorkerJob { work, listeners, listening, token } = share;
    let RelayJob { relay, handshake, connector, on_upstream_failure, shutdown, .. } = work;
    let listening = listening.map(|listening| listening.with_timers(timers));
    let mut route = Route { handshake, connector: Some(connector), layer: None, on_upstream_failure };
    if let Some(listening) = &listening {
        route = route.through(listening.faults().clone());
    }
    let listener = FaultListener::new(TcpAcceptor::from_std(listeners)?, listening)?;
    relay.run(listener, route, &shutdown).await;
    drop(token);
    Ok(())
}

/// Returns a runtime for the current thread.
///
/// # Errors
/// Returns an error if the system has no descriptors for it.
pub fn runtime() -> Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
