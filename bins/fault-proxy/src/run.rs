//! The command `run`.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use fault_proxy_control::proxies::{Proxies, Proxy};
use fault_proxy_control::{Access, Health, Metrics, serve_control, serve_metrics};
use fault_proxy_engine::Engine;
use fault_proxy_mapping::ListenAddr;
use fault_proxy_relay::{Config, DataPath, Relay, Shutdown, TcpAcceptor};
use proxy_cli::bind::{BindError, listen};
use proxy_cli::faults::any_seed;
use proxy_cli::limits::max_sessions;
use proxy_cli::log::{HeldLog, Log};
use proxy_cli::secret::Secret;
use proxy_cli::service;
use proxy_cli::signals::{Signals, end};
use proxy_cli::sys::RequestSignal;
use proxy_cli::terminal::print;
use proxy_cli::workers::{Workers, runtime};
use tokio::select;
use tracing::{error, info, warn};

use crate::args;
use crate::config::{Control, ProxySettings, Settings};
use crate::ctl::{Api, TIMEOUT};
use crate::expect::Expectation;
use crate::host::{CountedProxies, ProxyHost};
use crate::journal::{self, Recorder};
use crate::reload::{Reload, Source};
use crate::replay;
use crate::report::{self, Report, ReportFiles};
use crate::start::{log_listening, reason, spec, start_error};
use crate::timeline::{Timeline, log_changes};
use crate::top::View;
use crate::traced::{Record, traced};
use crate::wire::Wire;

/// Exit code of a run that does not meet its expectations.
pub(crate) const NOT_AS_EXPECTED: u8 = 3;

/// Time limit for the end of a run after its sessions were reset and nothing waits for the journal.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Mode of a run: with reloads of the file, or as the replay of a journal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunMode<'a> {
    /// Sources of the settings that a reload reads again.
    Reload(Source<'a>),
    /// Decisions of the recorded run.
    Replay {
        journal: &'a replay::Comparison,
        /// True to print the comparison as JSON, without the tables.
        as_json: bool,
    },
}

impl<'a> RunMode<'a> {
    fn replayed(self) -> Option<&'a replay::Comparison> {
        match self {
            Self::Reload(_) => None,
            Self::Replay { journal, .. } => Some(journal),
        }
    }

    fn reloads(self) -> bool {
        matches!(self, Self::Reload(source) if source.has_file())
    }

    fn reload(self) -> Result<Option<Reload<'a>>> {
        match self {
            Self::Reload(source) => Reload::new(source),
            Self::Replay { .. } => Ok(None),
        }
    }
}

/// Result of a run.
#[derive(Debug)]
pub(crate) struct RunOutcome {
    pub(crate) expectations_met: bool,
    /// Result of writing the journal and the tables.
    pub(crate) written: Result<()>,
}

/// Runs the proxies until the run ends, and prints the report.
pub(crate) fn run(settings: &Settings, wire: Wire, log: &Log, again: RunMode<'_>) -> Result<RunOutcome> {
    let replayed = again.replayed();
    let held = if settings.run.no_ui { None } else { View::hold(log) };
    let threads = thread_count();
    // SIGHUP of a closed terminal ends the run, unless it reloads the file.
    let signals = if held.is_some() && !again.reloads() { Signals::with_hangup } else { Signals::new };
    let signals = signals("fault-proxy", settings.run.drain_timeout.0, END_TIMEOUT)?;
    let last = signals.last().clone();
    let metrics = settings.metrics.as_ref().map(metrics_listeners).transpose()?;
    let control = control_listeners(settings)?;
    let runtime = runtime()?;
    let (on_demand, reload) = {
        let _context = runtime.enter();
        (RequestSignal::report().context("cannot handle signals")?, again.reload()?)
    };
    let summary = report::summary_file().filter(|_| replayed.is_none());
    let files = ReportFiles::create(&settings.run, summary, &signals)?;
    let (engine, journal) = engine(settings, replayed, &signals, log)?;
    let shutdown = Shutdown::new();
    let mut workers = Workers::start(threads, &shutdown)?;
    let relay = Relay::new(config(settings));
    let are_faults_fixed = control.is_none() && reload.is_none();
    let (handle, counted) = (workers.handle().clone(), counted(settings));
    let host =
        ProxyHost::new(Arc::new(wire), handle, relay.clone(), shutdown.clone(), are_faults_fixed, counted);
    let proxies = Proxies::new(host, engine, env!("CARGO_PKG_VERSION"), settings.duration);
    let recorder = journal.as_ref().map(|journal| Recorder::new(&proxies, journal.queue().clone()));
    let recorder = recorder.as_ref();
    let running = Running { settings, log, proxies: &proxies, relay: &relay, shutdown: &shutdown, recorder };
    let ran = runtime.block_on(running.until_ended(
        &mut workers,
        (control, metrics),
        signals,
        on_demand,
        reload,
        held,
    ));
    // A pending lookup must not delay the end.
    runtime.shutdown_background();
    shutdown.abort();
    let joined = workers.join();
    if let Some(recorder) = recorder {
        recorder.finish();
    }
    // Complete the journal even if the run failed.
    let journal = journal.map_or(Ok(()), journal::Writer::finish);
    ran.and(joined)?;
    let report = Report::new(&proxies, &settings.expect, settings.run.strict);
    last.does("its report was being written");
    let is_as_expected = report.is_as_expected();
    if !is_as_expected {
        last.fails_with(NOT_AS_EXPECTED);
    }
    log.wait_written();
    report.print_verdicts();
    let filed = files.write(&report.document(&proxies));
    let printed = match again {
        RunMode::Replay { journal, as_json: true } => print(journal.json()?).map(drop),
        RunMode::Replay { journal, .. } => report.print().and_then(|()| print(journal.report()).map(drop)),
        RunMode::Reload(_) => report.print(),
    };
    Ok(RunOutcome { expectations_met: is_as_expected, written: report::all([journal, filed, printed]) })
}

#[derive(Debug, Clone, Copy)]
struct Running<'a> {
    settings: &'a Settings,
    log: &'a Log,
    proxies: &'a Proxies,
    relay: &'a Relay,
    shutdown: &'a Shutdown,
    /// Recorder of the journal, if there is one.
    recorder: Option<&'a Recorder<'a>>,
}

impl Running<'_> {
    /// Starts all parts. Returns when a signal or the duration ends the run, or a worker thread has ended.
    async fn until_ended(
        self,
        workers: &mut Workers,
        (control, metrics): (Option<Vec<TcpListener>>, Option<Vec<TcpListener>>),
        signals: Signals,
        on_demand: RequestSignal,
        reload: Option<Reload<'_>>,
        held: Option<HeldLog>,
    ) -> Result<()> {
        let Self { settings, log, proxies, shutdown, .. } = self;
        for proxy in &settings.proxies {
            self.start(proxy).await?;
        }
        self.populate().await?;
        let api = control.as_deref().map(|listeners| self.api(listeners)).transpose()?;
        let control = self.control(control)?;
        let metrics = self.metrics(metrics)?;
        if let Some(chart) = Timeline::from_proxies(&proxies.all()).chart(settings.duration) {
            log.print(&chart);
        }
        service::ready();
        let (end_request, reloads) = (signals.end_request(), reload.is_some());
        let view = held.and_then(|held| View::start(held, proxies.clone(), api, end_request, reloads));
        select! {
            () = end(signals, settings.duration, shutdown) => {}
            () = workers.ended() => {}
            () = control => {}
            () = metrics => {}
            () = log_changes(proxies, settings.run.tail) => {}
            () = record_changes(self.recorder) => {}
            () = report::on_demand(proxies, on_demand, log) => {}
            () = follow(reload, settings, proxies, shutdown) => {}
            () = show(view.as_ref(), proxies, shutdown) => {}
        }
        Ok(())
    }

    /// Returns a client of the control API for the view.
    fn api(&self, listeners: &[TcpListener]) -> Result<Api> {
        let mut addr = listeners.first().context("no address")?.local_addr()?;
        if addr.ip().is_unspecified() {
            addr.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let token = self.settings.control.as_ref().and_then(|control| control.token.as_ref());
        Ok(Api::new(&addr.to_string(), token, "--control", TIMEOUT))
    }

    async fn start(&self, proxy: &ProxySettings) -> Result<()> {
        let spec = spec(proxy, self.settings.run.bind);
        let started = self.proxies.create(spec).await.map_err(|error| start_error(error, proxy))?;
        log_listening(&started, proxy.named_mapping());
        Ok(())
    }

    /// Creates the proxies of --toxiproxy-config.
    async fn populate(&self) -> Result<()> {
        let specs = &self.settings.populate;
        if self.settings.skips_failed {
            for spec in specs {
                match self.proxies.create(spec.clone()).await {
                    Ok(proxy) => log_populated(&proxy),
                    Err(error) => error!(proxy = spec.name, error = reason(error), "proxy skipped"),
                }
            }
            return Ok(());
        }
        let (made, error) = self.proxies.populate(specs.iter().cloned().map(Ok).collect()).await;
        made.iter().for_each(log_populated);
        error.map_or(Ok(()), |error| Err(anyhow!("--toxiproxy-config: {}", reason(error))))
    }

    /// Serves the control API. Never returns.
    fn control(&self, listeners: Option<Vec<TcpListener>>) -> Result<impl Future<Output = ()>> {
        let server = match (listeners, &self.settings.control) {
            (Some(listeners), Some(control)) => {
                let acceptor = TcpAcceptor::from_std(listeners)?;
                let addresses = acceptor.local_addrs()?;
                for addr in &addresses {
                    info!(%addr, "control API on http://{addr}");
                }
                if addresses.iter().any(|addr| !addr.ip().is_loopback()) && control.token.is_none() {
                    warn!(
                        "other machines can use the control API without a token: FAULT_CONTROL_TOKEN requires one"
                    );
                }
                // Clients of other machines may use any host name, so use an address that is not loopback, if
                // any.
                let elsewhere = addresses.iter().find(|addr| !addr.ip().is_loopback());
                let addr = *elsewhere.or(addresses.first()).context("no address")?;
                Some((acceptor, Access::new(addr, control.token.as_ref().map(Secret::expose))))
            }
            _ => None,
        };
        let (proxies, relay, shutdown) = (self.proxies.clone(), self.relay.clone(), self.shutdown.clone());
        Ok(async move {
            if let Some((acceptor, access)) = server {
                let (health, metrics) = observed(&proxies, &relay);
                serve_control(acceptor, proxies, health, metrics, access, shutdown).await;
            }
            pending().await
        })
    }

    /// Serves the separate endpoint for metrics. Never returns.
    fn metrics(&self, listeners: Option<Vec<TcpListener>>) -> Result<impl Future<Output = ()>> {
        let acceptor = listeners.map(TcpAcceptor::from_std).transpose()?;
        for addr in acceptor.iter().map(TcpAcceptor::local_addrs).collect::<io::Result<Vec<_>>>()?.concat() {
            info!(%addr, "metrics on http://{addr}/metrics");
        }
        let (health, metrics) = observed(self.proxies, self.relay);
        let shutdown = self.shutdown.clone();
        Ok(async move {
            if let Some(acceptor) = acceptor {
                serve_metrics(acceptor, health, metrics, shutdown).await;
            }
            pending().await
        })
    }
}

/// Returns the state and the metrics of the run for the HTTP servers.
fn observed(proxies: &Proxies, relay: &Relay) -> (Health, Metrics) {
    let mut metrics = Metrics::new("fault-proxy", env!("CARGO_PKG_VERSION"));
    metrics.proxies(proxies);
    metrics.session_limit(relay);
    (Health::new(|| Ok(())).with_session_limit(relay), metrics)
}

fn log_populated(proxy: &Proxy) {
    let Proxy { name, listen, upstream, .. } = proxy;
    let upstream = &upstream.text;
    if proxy.enabled {
        log_listening(proxy, format_args!("{name}={upstream}"));
    } else {
        info!(proxy = name, addr = %listen, %upstream, "{name} is disabled: it will listen on {listen} for {upstream}");
    }
}

/// Records the changes by clients of the control API. Never returns.
async fn record_changes(recorder: Option<&Recorder<'_>>) {
    if let Some(recorder) = recorder {
        recorder.follow().await;
    }
    pending().await
}

/// Takes samples for the view, and closes it when the run drains. Never returns.
async fn show(view: Option<&View>, proxies: &Proxies, shutdown: &Shutdown) {
    if let Some(view) = view {
        select! {
            biased;
            () = shutdown.draining() => view.close(),
            never = proxies.keep_history() => match never {},
        }
    }
    pending().await
}

/// Reloads the file until the run drains. Never returns.
async fn follow(reload: Option<Reload<'_>>, settings: &Settings, proxies: &Proxies, shutdown: &Shutdown) {
    if let Some(reload) = reload {
        select! {
            biased;
            () = shutdown.draining() => {}
            () = reload.follow(settings, proxies) => {}
        }
    }
    pending().await
}

/// Binds all addresses of the control API. Returns `None` if it is off, or logs a warning and returns `None` if its default
/// address is in use and the run has proxies, which then continues without the API.
pub(crate) fn control_listeners(settings: &Settings) -> Result<Option<Vec<TcpListener>>> {
    let Some(control) = &settings.control else { return Ok(None) };
    match listen_for(control) {
        Ok(listeners) => Ok(Some(listeners)),
        Err(error) if control.is_default && settings.has_proxies() => {
            warn!(
                control = %control.addr,
                error = %format_args!("{error:#}"),
                "no control API: {error:#}; set another port with --control, or --control off"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Binds all addresses of `--metrics`.
pub(crate) fn metrics_listeners(addr: &ListenAddr) -> Result<Vec<TcpListener>> {
    bound(addr, "--metrics")
}

/// Binds all addresses of a flag.
fn bound(addr: &ListenAddr, flag: &str) -> Result<Vec<TcpListener>> {
    let failed = |BindError { listen, source }| {
        Error::from(source).context(format!("cannot listen on {listen} for {flag}"))
    };
    Ok(listen(addr, 1).map_err(failed)?.into_iter().flatten().collect())
}

/// Binds all addresses of the control API.
pub(crate) fn listen_for(control: &Control) -> Result<Vec<TcpListener>> {
    let listeners = bound(&control.addr, control.flag)?;
    for listener in &listeners {
        control.guard(listener.local_addr()?)?;
    }
    Ok(listeners)
}

/// Returns the proxies whose requests are counted, because of --count-requests or a condition of --expect.
fn counted(settings: &Settings) -> CountedProxies {
    if settings.run.count_requests {
        return CountedProxies::All;
    }
    let named = settings.expect.iter().filter_map(Expectation::reads_requests_of);
    CountedProxies::Named(named.map(str::to_owned).collect())
}

/// Returns the number of worker threads.
pub(crate) fn thread_count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Returns the configuration of the relay.
pub(crate) fn config(settings: &Settings) -> Config {
    let mut config = Config::default();
    config.max_sessions = max_sessions(settings.run.max_sessions.map(u32::from));
    config.data_path = match settings.run.data_path {
        args::DataPath::Copy => DataPath::Copy,
        args::DataPath::Splice => DataPath::Splice,
    };
    if !config.data_path.is_available() {
        warn!("--data-path splice needs Linux: this run copies");
    }
    config
}

/// Returns the settings of an engine without a journal.
pub(crate) fn engine_settings(settings: &Settings, seed: u64) -> fault_proxy_engine::Settings {
    let mut of_engine = fault_proxy_engine::Settings::default();
    of_engine.seed = seed;
    of_engine.flow_limit = usize::try_from(settings.run.max_in_flight.count()).unwrap_or(usize::MAX);
    of_engine.total_limit = usize::try_from(settings.run.max_in_flight_total.count()).unwrap_or(usize::MAX);
    of_engine
}

/// Creates the engine, and the writer of its journal.
fn engine(
    settings: &Settings,
    replayed: Option<&replay::Comparison>,
    signals: &Signals,
    log: &Log,
) -> Result<(Engine, Option<journal::Writer>)> {
    let seed = settings.seed.unwrap_or_else(any_seed);
    if settings.proxies.iter().any(|proxy| !proxy.faults.is_empty()) {
        info!(seed, "seed {seed}: --seed {seed} repeats the decisions for the same bytes");
    }
    let journal = match &settings.run.journal {
        Some(path) => Some(journal::Writer::create(path, seed, &settings.record, signals)?),
        None => None,
    };
    let mut of_engine = engine_settings(settings, seed);
    let record: Option<Record> = match (&journal, replayed.cloned()) {
        (_, Some(comparison)) => Some(Box::new(move |decision| comparison.record(&decision))),
        (Some(journal), None) => {
            let queue = journal.queue().clone();
            Some(Box::new(move |decision| queue.record(decision)))
        }
        (None, None) => None,
    };
    of_engine.journal = traced(record, log.exports_traces());
    Ok((Engine::new(of_engine), journal))
}
