//! Results of a run: tables on demand and at the end, and reports for programs.

mod document;
mod files;
mod junit;
mod markdown;
mod measured;

use anyhow::Result;
use fault_proxy_control::proxies::{Proxies, RemovedFault};
use fault_proxy_engine::RequestStats;
use proxy_cli::log::Log;
use proxy_cli::sys::RequestSignal;
use proxy_cli::tally;
use proxy_cli::terminal::{escape_control, print};

pub(crate) use self::document::{FORMAT, RunReport};
pub(crate) use self::files::{ReportFiles, all, check, summary_file};
pub(crate) use self::junit::Suite;
pub(crate) use self::markdown::cell;
use self::measured::NamedFault;
pub(crate) use self::measured::{MeasuredProxy, Verdict};
use crate::expect::Expectation;
use crate::fidelity::{self, NEVER_ACTED};

/// Prints the table of the faults at each signal. Never returns.
pub(crate) async fn on_demand(proxies: &Proxies, mut signal: RequestSignal, log: &Log) {
    loop {
        signal.recv().await;
        log.print(&fidelity::table(&measured::all(proxies)).for_stderr());
    }
}

/// Results at the end of a run.
#[derive(Debug)]
pub(crate) struct Report {
    proxies: Vec<MeasuredProxy>,
    removed: Vec<RemovedFault>,
    verdicts: Vec<Verdict>,
    /// True if each fault must have acted.
    is_strict: bool,
}

impl Report {
    pub(crate) fn new(proxies: &Proxies, expected: &[Expectation], is_strict: bool) -> Self {
        let (proxies, removed) = (measured::all(proxies), proxies.removed_faults());
        let verdicts = expected.iter().flat_map(|expected| expected.verdicts(&proxies)).collect();
        Self { proxies, removed, verdicts, is_strict }
    }

    /// Returns the verdicts on all conditions, including those of `--strict`.
    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let faults = if self.is_strict { self.named_faults() } else { Vec::new() };
        let acted: Vec<_> = faults.iter().map(NamedFault::acted).collect();
        self.verdicts.iter().cloned().chain(acted)
    }

    fn named_faults(&self) -> Vec<NamedFault<'_>> {
        NamedFault::all(&self.proxies, &self.removed)
    }

    /// Returns true if all conditions are met.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.verdicts().all(|verdict| verdict.is_met)
    }

    /// Prints the verdicts to stderr, except conditions of `--strict` that are met.
    pub(crate) fn print_verdicts(&self) {
        let unmet = self.verdicts().skip(self.verdicts.len()).filter(|verdict| !verdict.is_met);
        self.verdicts.iter().cloned().chain(unmet).for_each(|verdict| verdict.print());
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<()> {
        let rows = self.proxies.iter().map(|proxy| (proxy.label.clone(), proxy.totals));
        print(tally::table(rows).for_stdout())?;
        if self.proxies.iter().any(|proxy| !proxy.faults.is_empty()) || !self.verdicts.is_empty() {
            let bytes = self.proxies.iter().map(|proxy| proxy.totals.bytes);
            let bytes = bytes.map(|bytes| bytes.to_upstream + bytes.to_downstream).sum();
            let faults = fidelity::table(&self.proxies);
            let faults = if faults.is_empty() { String::new() } else { format!("\n{}", faults.for_stdout()) };
            print(format_args!("{faults}\n{}", fidelity::overhead(bytes)))?;
        }
        for (proxy, stats) in self.proxies.iter().flat_map(MeasuredProxy::unconfirmed) {
            let RequestStats { unconfirmed, requests, .. } = stats;
            let (proxy, kind) = (escape_control(&proxy.label), escape_control(&stats.kind));
            print(format_args!("unconfirmed: {unconfirmed} of {requests} {kind} on {proxy}"))?;
        }
        for (proxy, fault) in self.proxies.iter().flat_map(MeasuredProxy::idle) {
            let (proxy, fault) = (escape_control(&proxy.label), escape_control(fault));
            print(format_args!("{NEVER_ACTED}: {fault} on {proxy}"))?;
        }
        for fault in self.named_faults().iter().filter(|fault| fault.removed_idle > 0) {
            let (proxy, fault) = (escape_control(fault.label), escape_control(fault.name));
            print(format_args!("{NEVER_ACTED} before it was removed: {fault} on {proxy}"))?;
        }
        Ok(())
    }

    /// Returns the report for programs.
    pub(crate) fn document(&self, proxies: &Proxies) -> RunReport {
        RunReport::new(proxies, &self.proxies, &self.removed, self.verdicts().collect())
    }
}
