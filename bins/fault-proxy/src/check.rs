//! The command `check`, which tests what a run needs.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use fault_proxy_engine::{Directions, Fault, Windows};
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::Connected;
use humantime::format_duration;
use proxy_cli::bind::listed;
use proxy_cli::faults::idle_reason;
use proxy_cli::table::Table;
use proxy_cli::terminal::{counted, print};
use proxy_cli::workers;
use serde::Serialize;

use crate::config::Settings;
use crate::host;
use crate::report;
use crate::run::{control_listeners, metrics_listeners};
use crate::wire::Wire;

/// Version of the format of `--json`. It stays the same when members are added.
const FORMAT: u32 = 1;

/// Results of `check`.
#[derive(Debug, Serialize)]
struct Checked {
    check: u32,
    ok: bool,
    proxies: Vec<CheckedProxy>,
    /// `None` if the run would not have a control API.
    control: Option<Tried>,
    /// `None` without `--metrics`.
    metrics: Option<Tried>,
    /// Files of flags that a run would write.
    files: BTreeMap<&'static str, Tried>,
    faults: Vec<CheckedFault>,
    settings: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct CheckedProxy {
    /// The name, or the mapping if the proxy does not have a name.
    proxy: String,
    listen: Tried,
    upstream: Tried,
}

/// Result of an attempt, or its error.
#[derive(Debug, Serialize)]
struct Tried {
    ok: bool,
    result: String,
}

#[derive(Debug, Serialize)]
struct CheckedFault {
    proxy: String,
    name: String,
    effect: String,
    direction: &'static str,
    probability: f64,
    /// Sessions that the fault applies to. `None` if it applies to all.
    selection: Option<String>,
    on: String,
}

impl Tried {
    fn new(result: Result<String>) -> Self {
        let ok = result.is_ok();
        Self { ok, result: result.unwrap_or_else(|error| format!("{error:#}")) }
    }

    fn cell(&self) -> String {
        let result = &self.result;
        if self.ok { result.clone() } else { format!("FAILED: {result}") }
    }
}

/// Checks everything that a run would need, and prints the results.
///
/// # Errors
/// Returns an error if a part would not work.
pub(crate) fn check(settings: &Settings, wire: &Wire, as_json: bool) -> Result<()> {
    let checked = Checked::new(settings, wire)?;
    if as_json {
        print(serde_json::to_string_pretty(&checked)?)?;
    } else {
        checked.print()?;
    }
    let failed = checked.failed();
    if failed.is_empty() { Ok(()) } else { bail!("{} would not work", failed.join(", ")) }
}

impl Checked {
    fn new(settings: &Settings, wire: &Wire) -> Result<Self> {
        let runtime = workers::runtime()?;
        // Keep the ports bound until the end, so that two proxies cannot share one.
        let mut ports = Vec::new();
        let proxies = settings.enabled().map(|(proxy, listen, upstream)| CheckedProxy {
            proxy,
            listen: Tried::new(runtime.block_on(listen_on(&listen, &mut ports))),
            upstream: Tried::new(runtime.block_on(connect(upstream, wire))),
        });
        let proxies: Vec<_> = proxies.collect();
        // A pending lookup must not delay the end.
        runtime.shutdown_background();
        let control = control_listeners(settings).transpose();
        let control =
            control.map(|control| Tried::new(control.and_then(|listeners| Ok(listed(&listeners)?))));
        let metrics = settings.metrics.as_ref().map(metrics_listeners);
        let metrics =
            metrics.map(|metrics| Tried::new(metrics.and_then(|listeners| Ok(listed(&listeners)?))));
        let run = &settings.run;
        let files = [("--journal", &run.journal), ("--report", &run.report), ("--junit", &run.junit)];
        let files = files.into_iter().filter_map(|(flag, path)| Some((flag, file(flag, path.as_deref()?))));
        let files: BTreeMap<_, _> = files.collect();
        let (faults, settings) = (faults(settings), shown_settings(settings));
        let mut checked =
            Self { check: FORMAT, ok: true, proxies, control, metrics, files, faults, settings };
        checked.ok = checked.failed().is_empty();
        Ok(checked)
    }

    /// Returns the parts that would not work.
    fn failed(&self) -> Vec<String> {
        let count = self.proxies.iter().filter(|proxy| !proxy.is_ok()).count();
        let proxies = format!("{count} of {}", counted(self.proxies.len() as u64, "mapping"));
        let others = [("the control API", &self.control), ("--metrics", &self.metrics)];
        let others = others.into_iter().filter_map(|(name, tried)| Some((name, tried.as_ref()?)));
        let files = self.files.iter().map(|(flag, tried)| (*flag, tried));
        let others = others.chain(files).filter(|(_, tried)| !tried.ok).map(|(name, _)| name.to_owned());
        (count > 0).then_some(proxies).into_iter().chain(others).collect()
    }

    fn print(&self) -> Result<()> {
        let mut listed = Table::new(["proxy", "listen", "upstream"]);
        for CheckedProxy { proxy, listen, upstream } in &self.proxies {
            listed.add_row([proxy.clone(), listen.cell(), upstream.cell()]);
        }
        if let Some(control) = &self.control {
            listed.add_row(["control API".to_owned(), control.cell(), String::new()]);
        }
        if let Some(metrics) = &self.metrics {
            listed.add_row(["metrics".to_owned(), metrics.cell(), String::new()]);
        }
        print(listed.for_stdout())?;
        if !self.faults.is_empty() {
            let mut listed = Table::new(["proxy", "fault", "effect", "direction", "sessions", "on"]);
            for fault in &self.faults {
                let share = format!("{}%", (fault.probability * 1e8).round() / 1e6);
                let sessions = match &fault.selection {
                    Some(selection) => format!("{share}, {selection}"),
                    None => share,
                };
                let CheckedFault { proxy, name, effect, direction, on, .. } = fault;
                listed.add_row([proxy, name, effect, *direction, &sessions, on]);
            }
            print(format_args!("\n{}", listed.for_stdout()))?;
        }
        let mut listed = Table::new(["setting", "value"]);
        for (name, value) in &self.settings {
            listed.add_row([name, &**value]);
        }
        for (flag, tried) in &self.files {
            listed.add_row([flag.trim_start_matches('-'), &tried.cell()]);
        }
        print(format_args!("\n{}", listed.for_stdout())).map(drop)
    }
}

impl CheckedProxy {
    fn is_ok(&self) -> bool {
        self.listen.ok && self.upstream.ok
    }
}

fn faults(settings: &Settings) -> Vec<CheckedFault> {
    let faults =
        settings.proxies.iter().flat_map(|proxy| proxy.faults.iter().map(move |given| (proxy, given)));
    let checked = faults.map(|(proxy, given)| {
        let Fault { name, directions, probability, selection, windows, effect } = &given.fault;
        CheckedFault {
            proxy: proxy.label.clone(),
            name: name.clone(),
            effect: effect.to_string(),
            direction: in_words(*directions),
            probability: *probability,
            selection: (!selection.is_all()).then(|| selection.to_string()),
            on: match idle_reason(&given.fault, settings.duration) {
                Some(reason) => format!("never: {reason}"),
                None => when(windows),
            },
        }
    });
    checked.collect()
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
    all.join(", ")
}

/// Returns the settings that do not belong to a proxy, a fault or TLS.
fn shown_settings(settings: &Settings) -> Vec<(&'static str, String)> {
    let optional = |value: Option<String>, otherwise: &str| value.unwrap_or_else(|| otherwise.to_owned());
    let time = |time| format_duration(time).to_string();
    let name =
        |value: Option<PossibleValue>| value.map_or_else(String::new, |value| value.get_name().to_owned());
    let run = &settings.run;
    let mut shown = vec![
        ("duration", optional(settings.duration.map(time), "until a signal")),
        ("drain-timeout", time(run.drain_timeout.0)),
        ("connect-timeout", time(run.connect_timeout.0)),
        ("max-sessions", optional(run.max_sessions.map(|max| max.to_string()), "what open files allow")),
        ("on-upstream-failure", name(run.on_upstream_failure.to_possible_value())),
        ("data-path", name(run.data_path.to_possible_value())),
        ("seed", optional(settings.seed.map(|seed| seed.to_string()), "a new one")),
        ("max-in-flight", format!("{} bytes", run.max_in_flight.count())),
        ("max-in-flight-total", format!("{} bytes", run.max_in_flight_total.count())),
    ];
    if run.count_requests {
        shown.push(("count-requests", "true".to_owned()));
    }
    shown.extend(settings.expect.iter().map(|expectation| ("expect", expectation.to_string())));
    shown
}

fn file(flag: &str, path: &Path) -> Tried {
    Tried::new(report::check(flag, path).map(|()| path.display().to_string()))
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
