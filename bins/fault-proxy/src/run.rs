//! Runs proxies until something ends them.

use std::future::pending;
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use proxy_fault::{Engine, Faults, Timers};
use proxy_relay::{Config, DataPath, Relay, Route, Shutdown, TcpAcceptor};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::args;
use crate::config::Settings;
use crate::faulty::{FaultConnector, FaultListener};
use crate::journal;
use crate::log::Log;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::tally::{self, Tally};
use crate::timeline::Timeline;
use crate::wire::Proxy;

/// Descriptors kept for everything that is no session: listeners, standard streams, the runtime's, pipes.
const OTHER_DESCRIPTORS: u64 = 128;

/// Returns whether everything came as expected.
pub(crate) fn run(
    settings: &Settings,
    mut proxies: Vec<Proxy>,
    log: &Log,
    replayed: Option<&journal::Comparison>,
) -> Result<bool> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let listeners = proxies.iter().map(|proxy| proxy.bind(threads)).collect::<Result<Vec<_>>>()?;
    let runtime = runtime()?;
    let (signals, on_demand) = {
        let _context = runtime.enter();
        (Signals::new()?, signal(SignalKind::user_defined1()).context("cannot handle signals")?)
    };
    let (engine, journal) = engine(settings, replayed)?;
    let mut watched = Vec::new();
    for (proxy, of_proxy) in proxies.iter_mut().zip(&settings.proxies) {
        if !of_proxy.faults.is_empty() {
            let faults = engine.proxy(&of_proxy.drawn_as, of_proxy.faults.clone());
            watched.push((of_proxy.name.clone(), faults.clone()));
            proxy.faults = Some(faults);
        }
    }
    let report = Report { watched, expected: &settings.expect };
    let shutdown = Shutdown::new();
    let timeline = Timeline::of(&settings.proxies);
    let end = async {
        let started = Instant::now();
        if let Some(chart) = timeline.chart(settings.duration) {
            log.print(&chart);
        }
        let _shown = settings
            .duration
            .filter(|_| settings.has_ui && log.leaves_room_for_a_bar())
            .map(|duration| Progress::start(log, timeline.clone(), started, duration));
        select! {
            ended = end(signals, settings, &shutdown) => ended,
            () = timeline.log_changes(started, settings.tail) => Ok(()),
            () = report.on_demand(on_demand, log) => Ok(()),
        }
    };
    let bound = proxies.into_iter().zip(listeners).collect();
    let rows = serve(&runtime, &Relay::new(config(settings)), bound, &shutdown, end)?;
    println!("{}", tally::table(rows.iter().map(|(mapping, tally)| (mapping.clone(), &**tally))));
    let as_expected = report.at_end(rows.iter().map(|(_, tally)| tally.bytes()).sum());
    if let Some(replayed) = replayed {
        println!("{}", replayed.report());
    }
    if let Some(journal) = journal {
        journal.finish()?;
    }
    Ok(as_expected)
}

fn config(settings: &Settings) -> Config {
    let mut config = Config::default();
    config.max_sessions = max_sessions(settings.max_sessions);
    config.data_path = match settings.data_path {
        args::DataPath::Copy => DataPath::Copy,
        args::DataPath::Splice => DataPath::Splice,
    };
    config
}

/// The engine, and what writes its journal.
fn engine(
    settings: &Settings,
    replayed: Option<&journal::Comparison>,
) -> Result<(Engine, Option<journal::Writer>)> {
    let seed = settings.seed.unwrap_or_else(report::any_seed);
    if settings.proxies.iter().any(|proxy| !proxy.faults.is_empty()) {
        info!("seed {seed}: with --seed {seed} the same bytes meet the same decisions again");
    }
    let journal = match &settings.journal {
        Some(path) => Some(journal::Writer::create(path, seed, &settings.record)?),
        None => None,
    };
    let mut tellers = Vec::new();
    tellers.extend(journal.as_ref().map(journal::Writer::teller));
    tellers.extend(replayed.map(journal::Comparison::teller));
    let mut of_engine = proxy_fault::Settings::default();
    of_engine.seed = seed;
    of_engine.flow_limit = usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX);
    of_engine.total_limit = usize::try_from(settings.max_in_flight_total).unwrap_or(usize::MAX);
    of_engine.journal = journal::telling(tellers);
    Ok((Engine::new(of_engine), journal))
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
async fn end(mut signals: Signals, settings: &Settings, shutdown: &Shutdown) -> Result<()> {
    let duration = async {
        match settings.duration {
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
        () = sleep(settings.drain_timeout) => warn!("the drain time-out is over: resetting the sessions that are left"),
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
