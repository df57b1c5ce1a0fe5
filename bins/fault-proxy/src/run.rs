//! Runs proxies until something ends them.

use std::num::NonZero;
use std::thread;

use anyhow::{Context, Result};
use proxy_cli::faults::any_seed;
use proxy_cli::limits::max_sessions;
use proxy_cli::log::Log;
use proxy_cli::signals::{Signals, end};
use proxy_cli::tally;
use proxy_fault::Engine;
use proxy_relay::{Config, DataPath, Relay, Shutdown};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tracing::info;

use crate::args;
use crate::config::Settings;
use crate::journal;
use crate::progress::Progress;
use crate::report::Report;
use crate::serve::{runtime, serve};
use crate::timeline::Timeline;
use crate::wire::Proxy;

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
            () = end(signals, settings.duration, settings.drain_timeout, &shutdown) => Ok(()),
            () = timeline.log_changes(started, settings.tail) => Ok(()),
            () = report.on_demand(on_demand, log) => Ok(()),
        }
    };
    let bound = proxies.into_iter().zip(listeners).collect();
    let served = serve(&runtime, &Relay::new(config(settings)), bound, &shutdown, end);
    // Whatever ended the run: every decision is to be in the file.
    let written = journal.map_or(Ok(()), journal::Writer::finish);
    let rows = served?;
    println!("{}", tally::table(rows.iter().map(|(mapping, tally)| (mapping.clone(), &**tally))));
    let as_expected = report.at_end(rows.iter().map(|(_, tally)| tally.bytes()).sum());
    if let Some(replayed) = replayed {
        println!("{}", replayed.report());
    }
    written?;
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
    let seed = settings.seed.unwrap_or_else(any_seed);
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
