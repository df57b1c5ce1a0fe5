//! The command `check`, which tests what a run needs.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use comfy_table::{Table, presets};
use fault_proxy_engine::{Directions, Fault, Windows};
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::Connected;
use humantime::format_duration;
use proxy_cli::bind::listed;
use proxy_cli::terminal::{counted, escape_control, print};

use crate::config::{Control, Settings};
use crate::host;
use crate::journal;
use crate::run::listen_for;
use crate::serve;
use crate::wire::Wire;

pub(crate) fn check(settings: &Settings, wire: &Wire) -> Result<()> {
    let all: Vec<_> = settings.enabled().collect();
    let runtime = serve::runtime()?;
    let mut table = table(["proxy", "listen", "upstream"]);
    // Keep the ports bound until the end, so that two proxies cannot share one.
    let mut ports = Vec::new();
    let mut failed = 0;
    for (shown, listen, upstream) in &all {
        let listen = runtime.block_on(listen_on(listen, &mut ports));
        let upstream = runtime.block_on(connect(upstream, wire));
        failed += usize::from(listen.is_err() || upstream.is_err());
        table.add_row([escape_control(shown), result_cell(listen), result_cell(upstream)]);
    }
    // A pending look-up must not delay the end.
    runtime.shutdown_background();
    // A run with proxies continues without the default port.
    let is_needed = |control: &&Control| !control.is_default || !settings.has_proxies();
    let control = settings.control.as_ref().filter(is_needed).map(listen_for);
    let is_control_missing = matches!(control, Some(Err(_)));
    if let Some(control) = control {
        let addr = control.and_then(|listeners| Ok(listed(&listeners)?));
        table.add_row(["control API".to_owned(), result_cell(addr), String::new()]);
    }
    let journal = settings.run.journal.as_deref().map(journal);
    let is_journal_missing = matches!(journal, Some(Err(_)));
    print(table)?;
    if settings.proxies.iter().any(|proxy| !proxy.faults.is_empty()) {
        print(format_args!("\n{}", faults(settings)))?;
    }
    print(format_args!("\n{}", settings_table(settings, journal)))?;
    if failed > 0 {
        bail!("{failed} of {} would not work", counted(all.len() as u64, "mapping"));
    }
    if is_control_missing {
        bail!("the control API would not work");
    }
    if is_journal_missing {
        bail!("the journal would not work");
    }
    Ok(())
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

/// Returns a table with one row for each fault of each proxy.
fn faults(settings: &Settings) -> Table {
    let mut table = table(["proxy", "fault", "effect", "direction", "sessions", "on"]);
    for proxy in &settings.proxies {
        for given in &proxy.faults {
            let Fault { name, directions: flows, probability, selection, windows, effect } = &given.fault;
            let share = format!("{}%", (probability * 1e8).round() / 1e6);
            let sessions = if selection.is_all() { share } else { format!("{share}, {selection}") };
            table.add_row([
                escape_control(&proxy.label),
                escape_control(name),
                effect.to_string(),
                in_words(*flows).to_owned(),
                sessions,
                when(windows),
            ]);
        }
    }
    table
}

fn in_words(flows: Directions) -> &'static str {
    match (flows.to_upstream, flows.to_downstream) {
        (true, true) => "both directions",
        (true, false) => "requests",
        (false, true) => "responses",
        (false, false) => "none",
    }
}

fn when(windows: &Windows) -> String {
    let window = |(start, end): (Duration, Option<Duration>)| match end {
        None if start.is_zero() => "always".to_owned(),
        None => format!("from {}", format_duration(start)),
        Some(end) => format!("{} to {}", format_duration(start), format_duration(end)),
    };
    let all: Vec<_> = windows.iter().map(window).collect();
    if all.is_empty() { "never".to_owned() } else { all.join(", ") }
}

/// Returns a table of the settings that do not belong to a proxy, a fault or TLS.
fn settings_table(settings: &Settings, journal: Option<Result<String>>) -> Table {
    let optional = |value: Option<String>, otherwise: &str| value.unwrap_or_else(|| otherwise.to_owned());
    let time = |time| format_duration(time).to_string();
    let name =
        |value: Option<PossibleValue>| value.map_or_else(String::new, |value| value.get_name().to_owned());
    let mut table = table(["setting", "value"]);
    table.load_style(presets::NOTHING);
    table.add_rows([
        ["duration".to_owned(), optional(settings.duration.map(time), "until a signal")],
        ["drain-timeout".to_owned(), time(settings.run.drain_timeout.0)],
        ["connect-timeout".to_owned(), time(settings.run.connect_timeout.0)],
        [
            "max-sessions".to_owned(),
            optional(settings.run.max_sessions.map(|max| max.to_string()), "what open files allow"),
        ],
        ["on-upstream-failure".to_owned(), name(settings.run.on_upstream_failure.to_possible_value())],
        ["data-path".to_owned(), name(settings.run.data_path.to_possible_value())],
        ["seed".to_owned(), optional(settings.seed.map(|seed| seed.to_string()), "a new one")],
        ["max-in-flight".to_owned(), format!("{} bytes", settings.run.max_in_flight.count())],
        ["max-in-flight-total".to_owned(), format!("{} bytes", settings.run.max_in_flight_total.count())],
    ]);
    if let Some(journal) = journal {
        table.add_row(["journal", &result_cell(journal)]);
    }
    for expectation in &settings.expect {
        table.add_row(["expect", &escape_control(&expectation.to_string())]);
    }
    table
}

fn journal(path: &Path) -> Result<String> {
    journal::check(path)?;
    Ok(escape_control(&path.display().to_string()))
}

fn result_cell(result: Result<String>) -> String {
    result.unwrap_or_else(|error| escape_control(&format!("FAILED: {error:#}")))
}

async fn listen_on(listen: &ListenAddr, ports: &mut Vec<TcpListener>) -> Result<String> {
    let listeners: Vec<_> = host::bind(listen, 1).await?.into_iter().flatten().collect();
    let addresses = listed(&listeners)?;
    ports.extend(listeners);
    Ok(addresses)
}

async fn connect(upstream: &Upstream, wire: &Wire) -> Result<String> {
    let started = Instant::now();
    let Connected { peer, .. } = wire.connector(upstream, None)?.connect().await?;
    Ok(format!("{peer}, connected in {:.1} ms", started.elapsed().as_secs_f64() * 1e3))
}
