//! Launcher of proxies.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Result;
use fault_proxy_control::proxies::{
    CheckingLoop, LaunchRequest, ProxyLauncher, Resolving, RunningProxy, StartError, Starting, protocol_of,
};
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::{LoopDetector, Relay, Shutdown};
use parking_lot::Mutex;
use proxy_cli::bind::{BindError, listed, listen_at};
use proxy_cli::workers::{RelayJob, WorkerHandle};
use tokio::select;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::loops::{self, Hop, addresses};
use crate::wire::Wire;

/// Starts proxies on the worker threads.
#[derive(Debug)]
pub(crate) struct ProxyHost {
    wire: Arc<Wire>,
    workers: WorkerHandle,
    relay: Relay,
    shutdown: Shutdown,
    are_faults_fixed: bool,
    counted: CountedProxies,
    running: Mutex<Vec<Running>>,
    loops: LoopDetector,
}

/// Proxies that read the requests of their sessions even if no fault acts on requests.
#[derive(Debug)]
pub(crate) enum CountedProxies {
    All,
    Named(BTreeSet<String>),
}

/// A proxy that has been started.
#[derive(Debug)]
struct Running {
    name: String,
    hop: Hop,
    /// Empty once the proxy has stopped.
    ended: TaskTracker,
}

impl ProxyHost {
    /// Creates the launcher. `shutdown` is that of the run. With `are_faults_fixed`, proxies that start without faults never get
    /// any, so their sessions bypass the fault engine.
    pub(crate) fn new(
        wire: Arc<Wire>,
        workers: WorkerHandle,
        relay: Relay,
        shutdown: Shutdown,
        are_faults_fixed: bool,
        counted: CountedProxies,
    ) -> Self {
        Self {
            wire,
            workers,
            relay,
            shutdown,
            are_faults_fixed,
            counted,
            running: Mutex::default(),
            loops: LoopDetector::default(),
        }
    }

    fn counts_requests(&self, name: &str) -> bool {
        match &self.counted {
            CountedProxies::All => true,
            CountedProxies::Named(names) => names.contains(name),
        }
    }

    /// Returns the hops of all other running proxies.
    fn other_hops(&self, name: &str) -> Vec<Hop> {
        let mut running = self.running.lock();
        running.retain(|proxy| !proxy.ended.is_empty());
        running.iter().filter(|proxy| proxy.name != name).map(|proxy| proxy.hop.clone()).collect()
    }

    /// Starts a proxy, or fails once the run drains.
    async fn start_unless_ending(&self, start: LaunchRequest) -> Result<RunningProxy, StartError> {
        select! {
            biased;
            () = self.shutdown.draining() => Err(StartError::Other("the run is shutting down".to_owned())),
            started = self.start_now(start) => started,
        }
    }

    async fn start_now(&self, start: LaunchRequest) -> Result<RunningProxy, StartError> {
        let upstream = start.upstream;
        let handshake = self.wire.handshake(&upstream).map_err(other)?;
        let listeners = bind(&start.listen, self.workers.groups())
            .await
            .map_err(|BindError { listen, source }| StartError::Bind { listen, source })?;
        let listen = listeners[0].iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>();
        let listen = listen.map_err(other)?;
        let addr = listen[0];
        if listen.len() > 1 {
            let others = listed(&listeners[0][1..]).map_err(other)?;
            info!(proxy = start.name, %addr, listeners = %others, "{addr} also listens on {others}");
        }
        let proxy = self.loops.proxy(format!("{addr}={upstream}"), addr.port());
        let connector = self.wire.connector(&upstream, Some(proxy.clone())).map_err(other)?;
        let shutdown = self.shutdown.child();
        let reads_requests = self.counts_requests(&start.name) && protocol_of(&upstream).is_some();
        if reads_requests {
            start.faults.read_requests();
        }
        let is_plain = self.are_faults_fixed && !reads_requests && start.faults.current().is_empty();
        let work = RelayJob {
            relay: start
                .watch
                .on(&self.relay)
                .as_one_listener()
                .for_proxy(proxy)
                .with_label(start.name.as_str())
                .with_listener(addr.to_string())
                .with_upstream(upstream.to_string()),
            handshake,
            connector,
            faults: (!is_plain).then_some(start.faults),
            on_upstream_failure: self.wire.on_upstream_failure(),
            shutdown: shutdown.clone(),
        };
        let ended = self.workers.relay(listeners, work).await.map_err(other)?;
        let running = Running { name: start.name, hop: Hop { listen, upstream }, ended: ended.clone() };
        self.running.lock().push(running);
        Ok(RunningProxy { listen: addr, shutdown, ended })
    }
}

fn other(error: impl Into<anyhow::Error>) -> StartError {
    StartError::Other(format!("{:#}", error.into()))
}

impl ProxyLauncher for ProxyHost {
    fn check(&self, upstream: &Upstream) -> Result<(), String> {
        let connector = self.wire.connector(upstream, None);
        connector.map(drop).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }

    fn check_loop<'a>(&'a self, name: &'a str, at: &'a ListenAddr, to: &'a Upstream) -> CheckingLoop<'a> {
        Box::pin(async move {
            let mut hops = self.other_hops(name);
            let new = hops.len();
            hops.push(Hop { listen: addresses(at).await.unwrap_or_default(), upstream: to.clone() });
            loops::find(&hops, new, self.wire.resolver()).await.map_or(Ok(()), Err)
        })
    }

    fn start(&self, start: LaunchRequest) -> Starting<'_> {
        Box::pin(self.start_unless_ending(start))
    }

    fn address(&self, listen: &ListenAddr) -> Resolving<'_> {
        let listen = listen.clone();
        Box::pin(async move {
            let all = addresses(&listen).await;
            all.map(|all| all[0]).map_err(|source| StartError::Bind { listen: listen.to_string(), source })
        })
    }
}

/// Binds `sockets` sockets to the port of each address, as [`listen`](proxy_cli::bind::listen) does.
pub(crate) async fn bind(addr: &ListenAddr, sockets: usize) -> Result<Vec<Vec<TcpListener>>, BindError> {
    let failed = |source| BindError { listen: addr.to_string(), source };
    let addresses = loops::addresses(addr).await.map_err(failed)?;
    let bound = spawn_blocking({
        let addr = addr.clone();
        move || listen_at(&addr, &addresses, sockets)
    });
    bound.await.unwrap_or_else(|error| Err(failed(io::Error::other(error))))
}
