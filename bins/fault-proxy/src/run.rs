//! Runs proxies until something ends them.

use std::future::pending;
use std::sync::Arc;

use anyhow::{Context, Result};
use proxy_relay::{Config, DataPath, Relay, Shutdown, TcpAcceptor};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::args::{self, RunArgs};
use crate::tally::{self, Tally};
use crate::wire::Proxy;

/// Descriptors kept for everything that is no session: listeners, standard streams, the runtime's, pipes.
const OTHER_DESCRIPTORS: u64 = 128;

pub(crate) async fn run(args: &RunArgs, proxies: Vec<Proxy>) -> Result<()> {
    let mut config = Config::default();
    config.max_sessions = max_sessions(args.max_sessions);
    config.data_path = match args.data_path {
        args::DataPath::Copy => DataPath::Copy,
        args::DataPath::Splice => DataPath::Splice,
    };
    let mut bound = Vec::new();
    for proxy in proxies {
        let listener = proxy.bind().await?;
        bound.push((proxy, listener));
    }
    let shutdown = Shutdown::new();
    let signals = Signals::new()?;
    let rows = serve(&Relay::new(config), bound, &shutdown, end(signals, args, &shutdown)).await?;
    println!("{}", tally::table(rows.iter().map(|(mapping, tally)| (mapping.clone(), &**tally))));
    Ok(())
}

/// Relays until `shutdown` has ended every session; `end` brings that about.
pub(crate) async fn serve(
    relay: &Relay,
    bound: Vec<(Proxy, TcpAcceptor)>,
    shutdown: &Shutdown,
    end: impl Future<Output = ()>,
) -> Result<Vec<(String, Arc<Tally>)>> {
    let relays = TaskTracker::new();
    let mut rows = Vec::new();
    for (proxy, listener) in bound {
        info!("listening on {} for {}", listener.local_addr()?, proxy.mapping);
        let tally = Arc::new(Tally::default());
        rows.push((proxy.mapping.to_string(), Arc::clone(&tally)));
        let relay = relay.clone().on_session_end(move |summary| tally.add(summary));
        let shutdown = shutdown.clone();
        relays.spawn(async move { relay.run(listener, proxy.route, &shutdown).await });
    }
    relays.close();
    select! {
        () = end => {}
        () = relays.wait() => {}
    }
    relays.wait().await;
    Ok(rows)
}

/// Drains at the first signal or the end of the duration; aborts at the deadline or a second signal.
async fn end(mut signals: Signals, args: &RunArgs, shutdown: &Shutdown) {
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
    shutdown.abort();
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
