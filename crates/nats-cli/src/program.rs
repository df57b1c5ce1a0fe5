//! Setup and shutdown of the NATS programs: NATS, faults, health and signals.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_control::{Health, Metrics, SessionMetrics};
use fault_proxy_engine::{Engine, Faults, TimerDriver, Timers};
use fault_proxy_mapping::ListenAddr;
use fault_proxy_nats::{Config, NatsConnection, NatsOptions, Needs, Tunnels};
use fault_proxy_relay::{Listener, Relay, Route, SessionTracker, Shutdown, TcpAcceptor};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::runtime;
use tokio::select;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::TunnelArgs;
use proxy_cli::bind;
use proxy_cli::faults::{FaultSettings, any_seed};
use proxy_cli::limits;
use proxy_cli::listener::FaultListener;
use proxy_cli::service;
use proxy_cli::signals::{self, Signals};
use proxy_cli::tally;

/// Time limit to notify the peers of the end of the last sessions when the program ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time limit for the program to end once its sessions are reset.
const END_TIMEOUT: Duration = Duration::from_secs(6);

/// Maximum number of threads for files and name lookups, of which nats-proxy-server has up to 1,152.
const MAX_BLOCKING_THREADS: usize = 1280;

/// A NATS program and its settings.
#[derive(Debug)]
pub struct Program {
    /// Name of the program.
    pub name: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Connection to NATS.
    pub nats: NatsOptions,
    /// Limits of sessions.
    pub tunnel: TunnelArgs,
    /// Faults of all sessions.
    pub faults: FaultSettings,
    /// Address of the HTTP endpoint.
    pub health: Option<ListenAddr>,
    /// Role on NATS.
    pub needs: Needs,
    /// True if the user did not set the address in `health`. The program then runs without the endpoint if the port is
    /// taken.
    pub is_health_default: bool,
}

/// Sessions of a running program.
#[derive(Debug)]
pub struct Sessions {
    /// Tunnels over NATS.
    pub tunnels: Tunnels,
    relay: Relay,
    watch: SessionMetrics,
    faults: Option<Faults>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    rows: Vec<(String, SessionTracker)>,
}

impl Program {
    /// Runs the sessions that `start` sets up until a signal ends the program. Returns a table of the sessions.
    ///
    /// # Errors
    /// Returns an error if a port is in use, NATS cannot be reached, or `start` fails.
    pub fn run(self, start: impl AsyncFnOnce(&mut Sessions) -> Result<()>) -> Result<String> {
        let health = match self.health.as_ref().map(take_port).transpose() {
            Err(error) if self.is_health_default => {
                warn!(error = %format_args!("{error:#}"), "health endpoint not started; set --listen-addr to another port or to off");
                None
            }
            taken => taken?,
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .build()
            .context("cannot start a runtime")?;
        let ended = runtime.block_on(async {
            let (timers, driver) = Timers::precise().context("cannot create a timer")?;
            select! {
                ended = self.run_with(health, timers, start) => ended,
                failed = run_timers(driver) => failed.map(|()| String::new()),
            }
        });
        // A pending lookup must not delay the exit of the program.
        runtime.shutdown_background();
        ended
    }

    async fn run_with(
        self,
        health: Option<Vec<TcpListener>>,
        timers: Timers,
        start: impl AsyncFnOnce(&mut Sessions) -> Result<()>,
    ) -> Result<String> {
        let mut signals = Signals::new(self.name, self.tunnel.drain_timeout.0, END_TIMEOUT)?;
        let last = signals.last().clone();
        let link = select! {
            link = NatsConnection::connect(&self.nats) => link?,
            name = signals.next() => {
                info!(signal = name, "ending before NATS was reached");
                return Ok(String::new());
            }
        };
        let tunnels = Tunnels::new(link.clone(), config(&self.tunnel), random_seed()?);
        link.require(&self.needs);
        if let Needs::Client(_) = self.needs {
            // The server checks its permissions when it subscribes.
            tunnels.try_permissions().await;
        }
        let mut limits = fault_proxy_relay::Config::default();
        limits.max_sessions = limits::max_sessions(self.tunnel.max_sessions.map(u32::from));
        limits.buffer_budget = buffer_budget(&self.tunnel);
        let watch = SessionMetrics::default();
        let relay = watch.on(&Relay::new(limits));
        let mut metrics = self.metrics(&watch, &link);
        metrics.session_limit(&relay);
        let health_of_relay = health_for(self.name, &link).with_session_limit(&relay);
        let shutdown = Shutdown::new();
        let mut sessions = Sessions {
            tunnels: tunnels.clone(),
            relay,
            watch,
            faults: self.faults().map(|faults| faults.with_timers(timers)),
            shutdown: shutdown.clone(),
            tasks: TaskTracker::new(),
            rows: Vec::new(),
        };
        let watched = TaskTracker::new();
        if let Some(listeners) = health {
            let listen = bind::listed(&listeners)?;
            info!(%listen, "health on {listen}");
            let acceptor = TcpAcceptor::from_std(listeners)?;
            let health = health_of_relay;
            let shutdown = shutdown.clone();
            watched
                .spawn(async move { fault_proxy_control::serve(acceptor, health, metrics, shutdown).await });
        }
        start(&mut sessions).await?;
        sessions.tasks.close();
        service::ready();
        select! {
            () = sessions.tasks.wait() => {}
            never = tunnels.watch_permissions() => match never {},
            never = tunnels.watch_message_limit() => match never {},
            () = signals::end(signals, None, &shutdown) => {
                shutdown.abort();
                sessions.tasks.wait().await;
            }
        }
        if timeout(CLOSE_TIMEOUT, tunnels.closed()).await.is_err() {
            warn!("timed out waiting for peers to acknowledge the end of sessions");
        }
        link.close().await;
        shutdown.abort();
        watched.close();
        watched.wait().await;
        last.does("its report was being written");
        let rows = sessions.rows.iter().map(|(name, live)| (name.clone(), live.stats()));
        Ok(tally::table(rows).for_stdout())
    }

    fn metrics(&self, watch: &SessionMetrics, link: &NatsConnection) -> Metrics {
        let mut metrics = Metrics::new(self.name, self.version);
        metrics.watch(watch);
        let up = link.clone();
        metrics.gauge(
            "nats_up",
            "Whether there is a connection to NATS",
            move || {
                if up.is_up() { 1.0 } else { 0.0 }
            },
        );
        let status = link.status();
        metrics.counter("nats_connects", "Established connections to NATS", move || status.borrow().connects);
        let link = link.clone();
        metrics.counter("nats_errors", "Errors that NATS has reported", move || link.errors());
        metrics
    }

    fn faults(&self) -> Option<Faults> {
        let FaultSettings { faults, seed } = &self.faults;
        if faults.is_empty() {
            return None;
        }
        let mut settings = fault_proxy_engine::Settings::default();
        settings.seed = seed.unwrap_or_else(any_seed);
        let seed = settings.seed;
        info!(seed, "seed {seed}: --seed {seed} repeats the decisions for the same bytes");
        Some(Engine::new(settings).proxy(self.name, faults.clone()))
    }
}

impl Sessions {
    /// Relays connections to these TCP sockets.
    ///
    /// # Errors
    /// Returns an error if the system refuses an option of a socket.
    pub fn relay_tcp(&mut self, name: String, listeners: Vec<TcpListener>, route: Route) -> Result<()> {
        let acceptor = TcpAcceptor::from_std(listeners)?;
        let listener = FaultListener::new(acceptor, self.faults.as_ref().map(Faults::listener))?;
        self.relay(name, listener, route);
        Ok(())
    }

    /// Relays connections that specify their target themselves.
    pub fn relay_requests(&mut self, name: String, listener: impl Listener) {
        self.relay(name, listener, Route::from_accepted());
    }

    fn relay(&mut self, name: String, listener: impl Listener, mut route: Route) {
        if let Some(faults) = self.faults.clone() {
            route = route.through(faults);
        }
        let live = self.watch.live().part();
        let relay = self.relay.clone().with_label(name.as_str()).with_tracker(live.clone());
        self.rows.push((name, live));
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move { relay.run(listener, route, &shutdown).await });
    }
}

/// Listens on every address of a name, with one socket per address.
///
/// # Errors
/// Returns an error if the name does not resolve, or one of its addresses is in use.
pub fn take_port(addr: &ListenAddr) -> Result<Vec<TcpListener>> {
    Ok(bind::listen(addr, 1)?.into_iter().flatten().collect())
}

async fn run_timers(driver: TimerDriver) -> Result<()> {
    driver.run().await.map(|never| match never {}).context("the timer driver failed")
}

fn health_for(name: &'static str, link: &NatsConnection) -> Health {
    let link = link.clone();
    Health::new(move || {
        if !link.is_up() {
            return Err("there is no connection to NATS".to_owned());
        }
        if let Some(problem) = link.message_limit_problem() {
            return Err(format!("{problem}; raise max_payload or the payload limit of the account or user"));
        }
        let missing: Vec<_> = link.missing_permissions().iter().map(ToString::to_string).collect();
        if missing.is_empty() && link.is_out_of_subscriptions() {
            return Err(
                "NATS refuses more subscriptions, which new sessions need; raise the limit of this user, or \
                        max_subscriptions in the configuration of nats-server"
                    .to_owned(),
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("NATS permissions missing: may not {}; see {name} check", missing.join(", ")))
    })
}

/// Returns the share of the memory limit for the buffers of the relay.
fn buffer_budget(settings: &TunnelArgs) -> usize {
    (settings.memory_limit.0 / 4).min(fault_proxy_relay::Config::default().buffer_budget)
}

/// Returns a seed for session IDs that clients cannot guess.
pub(super) fn random_seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).context("the system does not provide random numbers")?;
    Ok(seed)
}

pub(super) fn config(settings: &TunnelArgs) -> Config {
    let mut config = Config::default();
    config.max_outage = settings.max_outage.0;
    config.half_close_timeout = settings.half_close_timeout.0;
    config.legacy_idle_timeout = settings.legacy_idle_timeout.0;
    // The server's time limit for dialing, and the round trip.
    config.open_timeout = settings.connect_timeout.0.saturating_add(Duration::from_secs(5));
    config.encodings = settings.encoding.offered();
    config.memory_limit = settings.memory_limit.0 - buffer_budget(settings);
    config
}
