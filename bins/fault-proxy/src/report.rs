//! Report on the faults: on demand, and at the end with the conditions of `--expect`.

use anyhow::Result;
use fault_proxy_control::proxies::{Proxies, Proxy};
use fault_proxy_engine::Faults;
use proxy_cli::log::Log;
use proxy_cli::sys::RequestSignal;
use proxy_cli::tally;
use proxy_cli::terminal::{escape_control, print, print_error};

use crate::expect::Expectation;
use crate::fidelity::{self, NEVER_ACTED};

/// Proxies and the conditions to check.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) proxies: &'a Proxies,
    pub(crate) expected: &'a [Expectation],
}

impl Report<'_> {
    /// Returns the proxies that have faults.
    fn faulty(&self) -> Vec<Proxy> {
        let has_faults = |proxy: &Proxy| !proxy.engine.current().is_empty();
        self.proxies.all().into_iter().filter(has_faults).collect()
    }

    /// Prints the table at each signal. Never returns.
    pub(crate) async fn on_demand(&self, mut signal: RequestSignal, log: &Log) {
        loop {
            signal.recv().await;
            log.print(&fidelity::table(named(&self.faulty())).to_string());
        }
    }

    /// Returns the conditions that are not met; with `is_strict`, also the faults that never acted.
    pub(crate) fn unmet(&self, is_strict: bool) -> Vec<String> {
        let faulty = self.faulty();
        let idle = fidelity::idle(named(&faulty)).filter(|_| is_strict);
        let idle =
            idle.map(|(proxy, fault)| format!("the fault {fault} {NEVER_ACTED} on {proxy} (--strict)"));
        self.expected.iter().flat_map(|expected| expected.unmet(named(&faulty))).chain(idle).collect()
    }

    /// Prints unmet conditions to stderr. Returns true if all are met.
    pub(crate) fn verdict(&self, unmet: &[String]) -> bool {
        for line in unmet {
            print_error("fault-proxy", format_args!("not as expected: {}", escape_control(line)));
        }
        unmet.is_empty()
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<()> {
        let row = |proxy: Proxy| (proxy.label, proxy.watch.live().stats());
        let rows: Vec<_> = self.proxies.all().into_iter().map(row).collect();
        print(tally::table(rows.iter().cloned()))?;
        let faulty = self.faulty();
        if faulty.is_empty() && self.expected.is_empty() {
            return Ok(());
        }
        let bytes =
            rows.iter().map(|(_, totals)| totals.bytes.to_upstream + totals.bytes.to_downstream).sum();
        print(format_args!("\n{}\n{}", fidelity::table(named(&faulty)), fidelity::overhead(bytes)))?;
        for (proxy, fault) in fidelity::idle(named(&faulty)) {
            let (proxy, fault) = (escape_control(proxy), escape_control(&fault));
            print(format_args!("{NEVER_ACTED}: {fault} on {proxy}"))?;
        }
        Ok(())
    }
}

fn named(proxies: &[Proxy]) -> impl Iterator<Item = (&str, &Faults)> + Clone {
    proxies.iter().map(|proxy| (proxy.label.as_str(), &proxy.engine))
}
