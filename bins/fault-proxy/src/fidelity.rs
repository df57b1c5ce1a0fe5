//! Requested and measured values of each fault.

use std::time::Duration;

use fault_proxy_engine::{BitRate, Fault, FaultStats, Measured, Quantiles};
use proxy_cli::sys::cpu_time;
use proxy_cli::table::Table;
use proxy_cli::terminal::counted;

use crate::report::MeasuredProxy;

/// Text for a fault that has not affected anything.
pub(crate) const NEVER_ACTED: &str = "never acted";

/// Returns a table with one row for each fault.
pub(crate) fn table(proxies: &[MeasuredProxy]) -> Table {
    let mut table = Table::new(["proxy", "fault", "asked", "sessions", "achieved", "late by p50 / p99"]);
    for proxy in proxies {
        for (fault, figures) in &proxy.faults {
            let late = figures.error.map_or_else(|| "–".to_owned(), |late| both(&late));
            table.add_row([
                proxy.label.clone(),
                fault.name.clone(),
                fault.effect.to_string(),
                figures.sessions.to_string(),
                achieved(fault, figures),
                late,
            ]);
        }
    }
    table
}

/// Returns a description of the measured values of a fault.
pub(crate) fn achieved(fault: &Fault, figures: &FaultStats) -> String {
    let nothing = || "nothing".to_owned();
    if !figures.has_acted(&fault.effect) {
        return NEVER_ACTED.to_owned();
    }
    match fault.effect.measured() {
        Measured::Delays => match (&figures.requested_delay, &figures.delay) {
            (Some(drawn), Some(held)) => {
                format!("held p50 / p99 {} of {} drawn ({})", both(held), both(drawn), drawn.count)
            }
            _ => nothing(),
        },
        Measured::Rate(_) => match figures.rate {
            Some(rate) => format!("{rate:.0} B/s ({}) while bytes waited", BitRate(rate)),
            None => "not the limit for 100 ms".to_owned(),
        },
        Measured::Loss => figures.loss_share.map_or_else(nothing, |share| {
            format!("{:.3} % of {} lost", share * 100.0, counted(figures.segments, "segment"))
        }),
        _ if figures.actions > 0 => counted(figures.actions, "time"),
        _ if fault.effect.is_refusal() => "port closed".to_owned(),
        _ => "data held".to_owned(),
    }
}

fn both(times: &Quantiles) -> String {
    format!("{:.3} / {:.3} ms", ms(times.p50), ms(times.p99))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns a description of the CPU time that the proxy has used.
pub(crate) fn overhead(bytes: u64) -> String {
    let Some(cpu) = cpu_time() else { return "own overhead: not measured on this system".to_owned() };
    let seconds = cpu.as_secs_f64();
    let gigabytes = bytes as f64 / 1e9;
    if gigabytes < 0.001 {
        return format!("own overhead: {seconds:.3} CPU s");
    }
    format!("own overhead: {seconds:.3} CPU s for {gigabytes:.3} GB, {:.2} s/GB", seconds / gigabytes)
}
