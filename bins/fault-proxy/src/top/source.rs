//! Where the state of the proxies comes from, and where changes go.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fault_proxy_control::proxies::{Proxies, ProxyHistory, Sample, State};

use super::app::Change;
use super::faults::short_name;
use crate::args::FaultCommand;
use crate::ctl::{self, Api};

/// Interval between updates.
const REFRESH: Duration = Duration::from_secs(1);

/// Number of samples for charts.
const SAMPLES: usize = 60;

/// State of the proxies at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) state: State,
    pub(super) history: Vec<ProxyHistory>,
}

impl Snapshot {
    /// Returns the samples of a proxy, the oldest first.
    pub(super) fn samples(&self, proxy: &str) -> &[Sample] {
        let history = self.history.iter().find(|history| history.name == proxy);
        history.map(|history| history.samples.as_slice()).unwrap_or_default()
    }
}

/// Source of the state.
#[derive(Clone)]
pub(super) enum Source {
    /// This process. Changes go through its control API, so that they are recorded as those of other clients are.
    Run { proxies: Proxies, api: Option<Api> },
    /// Another process.
    Api(Api),
}

impl Source {
    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        Ok(match self {
            Self::Run { proxies, .. } => {
                Snapshot { state: proxies.state(), history: proxies.latest_samples(SAMPLES) }
            }
            Self::Api(api) => Snapshot { state: api.state()?, history: api.history()? },
        })
    }

    fn change(&self, change: Change) -> Result<String> {
        match self {
            Self::Run { api: None, .. } => {
                bail!("the control API of this run is off: start it with --control ADDR to change faults")
            }
            Self::Run { api: Some(api), .. } | Self::Api(api) => changed(api, change),
        }
    }

    /// Returns the address of the API.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Run { api: None, .. } => "control API off",
            Self::Run { api: Some(api), .. } | Self::Api(api) => api.base(),
        }
    }
}

/// Makes a change. Returns its result in the words of the view.
fn changed(api: &Api, Change { mut command, label }: Change) -> Result<String> {
    let mut answer = ctl::fault(api, &command)?;
    if let (Some(name), Some(kind)) = (answer["name"].as_str(), answer["type"].as_str()) {
        answer["name"] = short_name(name, kind).into();
    }
    if let (
        FaultCommand::Disable { fault, .. }
        | FaultCommand::Enable { fault, .. }
        | FaultCommand::Remove { fault, .. },
        Some(label),
    ) = (&mut command, label)
    {
        *fault = label;
    }
    Ok(ctl::told(command, &answer))
}

/// An update of the view.
#[derive(Debug)]
pub(super) enum Update {
    Snapshot(Result<Snapshot, String>),
    /// Result of a change.
    Done(Result<String, String>),
}

/// Makes changes, and sends the state after each of them and every second. Returns when the view is closed.
pub(super) fn work(source: &Source, commands: &Receiver<Change>, updates: &SyncSender<Update>) {
    let text = |error: anyhow::Error| format!("{error:#}");
    let mut next = Instant::now() + REFRESH;
    loop {
        match commands.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(change) => {
                if updates.send(Update::Done(source.change(change).map_err(text))).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => next = Instant::now() + REFRESH,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if updates.send(Update::Snapshot(source.snapshot().map_err(text))).is_err() {
            return;
        }
    }
}
