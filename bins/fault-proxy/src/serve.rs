//! The threads that relay.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use proxy_cli::faulty::{FaultConnector, FaultListener};
use proxy_cli::tally::Tally;
use proxy_fault::{Faults, TimerDriver, Timers};
use proxy_relay::{Connector, Handshake, Relay, Route, Shutdown, TcpAcceptor};
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::wire::Proxy;

/// What one thread does for one mapping.
#[derive(Debug)]
struct Share {
    relay: Relay,
    listener: TcpListener,
    handshake: Option<Arc<dyn Handshake>>,
    connector: Arc<dyn Connector>,
    faults: Option<Faults>,
}

/// A thread before it is one.
#[derive(Debug)]
struct Worker {
    runtime: Runtime,
    timers: Timers,
    driver: TimerDriver,
    shares: Vec<Share>,
}

impl Worker {
    fn new() -> Result<Self> {
        let runtime = runtime()?;
        let (timers, driver) = {
            let _context = runtime.enter();
            Timers::precise().context("cannot make a timer")?
        };
        Ok(Self { runtime, timers, driver, shares: Vec::new() })
    }

    fn run(self, shutdown: &Shutdown) -> Result<()> {
        let Self { runtime, timers, driver, shares } = self;
        let relayed = runtime.block_on(async {
            select! {
                relayed = relay_all(shares, &timers, shutdown) => relayed,
                failed = driver.run() => failed.map(|never| match never {}).context("the timers failed"),
            }
        });
        // A look-up that nobody awaits any more must not delay the end.
        runtime.shutdown_background();
        relayed
    }
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
    let mut workers = (0..count).map(|_| Worker::new()).collect::<Result<Vec<_>>>()?;
    for (proxy, listeners) in bound {
        info!("listening on {} for {}", listeners[0].local_addr()?, proxy.mapping);
        let tally = Arc::new(Tally::default());
        rows.push((proxy.mapping.to_string(), Arc::clone(&tally)));
        let relay = relay.clone().on_session_end(move |summary| tally.add(summary));
        for (worker, listener) in workers.iter_mut().zip(listeners) {
            let (handshake, connector) = (proxy.handshake.clone(), Arc::clone(&proxy.connector));
            let (relay, faults) = (relay.clone(), proxy.faults.clone());
            worker.shares.push(Share { relay, listener, handshake, connector, faults });
        }
    }
    thread::scope(|scope| {
        let (working, mut all_done) = mpsc::channel::<()>(1);
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let working = working.clone();
                scope.spawn(move || {
                    let relayed = worker.run(shutdown);
                    drop(working);
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

async fn relay_all(shares: Vec<Share>, timers: &Timers, shutdown: &Shutdown) -> Result<()> {
    let relays = TaskTracker::new();
    for Share { relay, listener, handshake, connector, faults } in shares {
        let acceptor = TcpAcceptor::new(tokio::net::TcpListener::from_std(listener)?)?;
        let shutdown = shutdown.clone();
        match faults {
            None => {
                let route = Route { handshake, connector: Some(connector) };
                relays.spawn(async move { relay.run(acceptor, route, &shutdown).await })
            }
            Some(faults) => {
                let listener = FaultListener::new(acceptor, faults.clone(), timers.clone())?;
                let connector = FaultConnector { inner: connector, faults, timers: timers.clone() };
                let route = Route { handshake, connector: Some(Arc::new(connector)) };
                relays.spawn(async move { relay.run(listener, route, &shutdown).await })
            }
        };
    }
    relays.close();
    relays.wait().await;
    Ok(())
}

pub(crate) fn runtime() -> Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
