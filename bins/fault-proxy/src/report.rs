//! How true the faults were: on demand, and at the end against what was expected.

use proxy_cli::log::Log;
use proxy_fault::Faults;
use tokio::signal::unix::Signal;

use crate::expect::Expectation;
use crate::fidelity;

/// The proxies that have faults, by name, and what is expected of them.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) watched: Vec<(String, Faults)>,
    pub(crate) expected: &'a [Expectation],
}

impl Report<'_> {
    fn proxies(&self) -> impl Iterator<Item = (&str, &Faults)> {
        self.watched.iter().map(|(name, faults)| (name.as_str(), faults))
    }

    /// Prints the table at each signal. Never ends.
    pub(crate) async fn on_demand(&self, mut signal: Signal, log: &Log) {
        while signal.recv().await.is_some() {
            log.print(&fidelity::table(self.proxies()).to_string());
        }
        std::future::pending().await
    }

    /// Prints what was achieved; returns whether it was as expected.
    pub(crate) fn at_end(&self, bytes: u64) -> bool {
        if self.watched.is_empty() {
            return true;
        }
        println!("\n{}\n{}", fidelity::table(self.proxies()), fidelity::overhead(bytes));
        let unmet: Vec<_> =
            self.expected.iter().flat_map(|expected| expected.unmet(self.proxies())).collect();
        for line in &unmet {
            eprintln!("fault-proxy: not as expected: {line}");
        }
        unmet.is_empty()
    }
}
