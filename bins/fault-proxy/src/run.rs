//! Runs proxies until something ends them.

use std::future::pending;
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use proxy_fault::{Faults, Timers};
use proxy_relay::{Config, DataPath, Relay, Route, Shutdown, TcpAcceptor};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::args::{self, RunArgs};
use crate::faulty::{FaultConnector, FaultListener};
use crate::tally::{self, Tally};
use crate::wire::Proxy;

/// Descriptors kept for everything that is no session: listeners, standard streams, the runtime's, pipes.
const OTHER_DESCRIPTORS: u64 = 128;

pub(crate) fn run(args: &RunArgs, proxies: Vec<Proxy>) -> Result<()> {
    let mut config = Config::default();
    config.max_sessions = max_sessions(args.max_sessions);
    config.data_path = match args.data_path {
        args::DataPath::Copy => DataPath::Copy,
        args::DataPath::Splice => DataPath::Splice,
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut bound = Vec::new();
    for proxy in proxies {
        let listeners = proxy.bind(threads)?;
        bound.push((proxy, listeners));
    }
    let runtime = runtime()?;
    let signals = {
        let _context = runtime.enter();
        Signals::new()?
    };
    let shutdown = Shutdown::new();
    let rows = serve(&runtime, &Relay::new(config), bound, &shutdown, end(signals, args, &shutdown))?;
    println!("{}", tally::table(rows.iter().map(|(mapping, tally)| (mapping.clone(), &**tally))));
    Ok(())
}

/// What one thread does for one mapping.
#[derive(Debug)]
struct Share {
    relay: Relay,
    listener: TcpListener,
    route: Route,
    faults: Option<Faults>,
}

/// Relays until `shutdown` has ended every session; `end`, on `runtime` and this thread, brings that about.
///
/// Each listener of a mapping has a thread and a runtime of its own. A session stays on the thread that accepted it:
/// no wake-up crosses threads, which short sessions and round trips would feel.
pub(crate) fn serve(
    runtime: &Runtime,
    relay: &Relay,
    bound: Vec<(Proxy, Vec<TcpListener>)>,
    shutdown: &Shutdown,
    end: impl Future<Output = Result<()>>,
) -> Result<Vec<(String, Arc<Tally>)>> {
    let mut rows = Vec::new();
    let count = bound.iter().map(|(_, listeners)| listeners.len()).max().unwrap_or(0);
    let mut threads =
        (0..count).map(|_| Ok((self::runtime()?, Vec::<Share>::new()))).collect::<Result<Vec<_>>>()?;
    for (proxy, listeners) in bound {
        info!("listening on {} for {}", listeners[0].local_addr()?, proxy.mapping);
        let tally = Arc::new(Tally::default());
        rows.push((proxy.mapping.to_string(), Arc::clone(&tally)));
        let relay = relay.clone().on_session_end(move |summary| tally.add(summary));
        for ((_, shares), listener) in threads.iter_mut().zip(listeners) {
            let (relay, route, faults) = (relay.clone(), proxy.route.clone(), proxy.faults.clone());
            shares.push(Share { relay, listener, route, faults });
        }
    }
    thread::scope(|scope| {
        let (working, mut all_done) = mpsc::channel::<()>(1);
        let threads: Vec<_> = threads
            .into_iter()
            .map(|(runtime, shares)| {
                let working = working.clone();
                scope.spawn(move || {
                    let relayed = runtime.block_on(relay_all(shares, shutdown));
                    drop(working);
                    // A look-up that nobody awaits any more must not delay the end.
                    runtime.shutdown_background();
                    relayed
                })
            })
            .collect();
        drop(working);
        let ended = runtime.block_on(async {
            select! {
                ended = end => ended,
                _ = all_done.recv() => Ok(()),
            }
        });
        shutdown.abort();
        for thread in threads {
            thread.join().expect("sessions that panic end alone")?;
        }
        ended
    })?;
    Ok(rows)
}

async fn relay_all(shares: Vec<Share>, shutdown: &Shutdown) -> Result<()> {
    let (timers, driver) = Timers::precise().context("cannot make a timer")?;
    let relays = TaskTracker::new();
    for Share { relay, listener, route, faults } in shares {
        let acceptor = TcpAcceptor::new(tokio::net::TcpListener::from_std(listener)?)?;
        let shutdown = shutdown.clone();
        match faults {
            None => relays.spawn(async move { relay.run(acceptor, route, &shutdown).await }),
            Some(faults) => {
                let listener = FaultListener::new(acceptor, faults.clone(), timers.clone())?;
                let connector = FaultConnector { inner: route.connector, faults, timers: timers.clone() };
                let route = Route { connector: Arc::new(connector), ..route };
                relays.spawn(async move { relay.run(listener, route, &shutdown).await })
            }
        };
    }
    relays.close();
    select! {
        () = relays.wait() => Ok(()),
        failed = driver.run() => failed.map(|never| match never {}).context("the timers failed"),
    }
}

pub(crate) fn runtime() -> Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}

/// Drains at the first signal or the end of the duration; aborts at the deadline or a second signal.
async fn end(mut signals: Signals, args: &RunArgs, shutdown: &Shutdown) -> Result<()> {
    let duration = async {
        match args.duration {
            Some(duration) => sleep(duration).await,
            None => pending().await,
        }
    };
    select! {
        name = signals.next() => info!("{name}: draining, a second signal ends now"),
        () = duration => info!("the run's duration is over: draining"),
    }
    shutdown.drain();
    select! {
        name = signals.next() => warn!("{name}: resetting the sessions that are left"),
        () = sleep(args.drain_timeout) => warn!("the drain time-out is over: resetting the sessions that are left"),
    }
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let handler = |kind| signal(kind).context("cannot handle signals");
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Raises the soft limit of open files to the hard one, and makes sure that sessions, with two descriptors each, fit.
fn max_sessions(asked: Option<u32>) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Where that is refused, the limit read back below is the one that holds.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let possible = (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).max(1);
    let sessions = asked.map_or(possible, u64::from);
    if sessions > possible {
        warn!(
            "--max-sessions {sessions} is more than the {descriptors} open files allowed can hold ({possible})"
        );
    }
    usize::try_from(sessions).unwrap_or(usize::MAX)
}
