//! Where the state of the proxies comes from, and where changes go.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use fault_proxy_control::proxies::{FaultState, Proxies, ProxyHistory, Sample, State};
use proxy_cli::terminal::escape_control;

use super::app::Change;
use super::faults::{label, short_name};
use crate::args::FaultCommand;
use crate::ctl::{self, Api, EXISTS_WAY_OUT};

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
        let api = match self {
            Self::Run { api: None, .. } => {
                bail!("the control API of this run is off: start it with --control ADDR to change faults")
            }
            Self::Run { api: Some(api), .. } | Self::Api(api) => api,
        };
        let (proxy, known) = known_name(&change);
        changed(api, change).map_err(|error| {
            let faults = self.snapshot().ok().and_then(|snapshot| {
                let proxy = snapshot.state.proxies.into_iter().find(|of| of.name == proxy)?;
                Some(proxy.faults)
            });
            in_view(&error, known, &faults.unwrap_or_default())
        })
    }

    /// Returns the address of the API.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Run { api: None, .. } => "control API off",
            Self::Run { api: Some(api), .. } | Self::Api(api) => api.base(),
        }
    }
}

/// Returns the proxy of a change, and the name of its fault with the label of the view, unless it is new.
fn known_name(Change { command, label }: &Change) -> (String, Option<(String, String)>) {
    let (proxy, fault) = match command {
        FaultCommand::Add { proxy, .. } => (proxy, None),
        FaultCommand::Update { proxy, fault, .. }
        | FaultCommand::Disable { proxy, fault }
        | FaultCommand::Enable { proxy, fault }
        | FaultCommand::Remove { proxy, fault } => (proxy, Some(fault.clone())),
    };
    (proxy.clone(), fault.zip(label.clone()))
}

/// Returns the error of a change with the labels of the view instead of the names of faults, and with the way out there.
fn in_view(error: &Error, known: Option<(String, String)>, faults: &[FaultState]) -> Error {
    let quoted = |name: &str| format!("`{}`", escape_control(name));
    let text = format!("{error:#}").replace(EXISTS_WAY_OUT, "add --name NAME for another one");
    let labels = faults.iter().map(|fault| (fault.name.clone(), label(fault, faults)));
    let text = known
        .into_iter()
        .chain(labels)
        .fold(text, |text, (name, label)| text.replace(&quoted(&name), &quoted(&label)));
    Error::msg(text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::testing::fault;

    #[test]
    fn errors_name_faults_as_the_view_does() {
        let shown = |error: &str, known: Option<(&str, &str)>, faults: &[FaultState]| {
            let known = known.map(|(name, label)| (name.to_owned(), label.to_owned()));
            in_view(&Error::msg(error.to_owned()), known, faults).to_string()
        };
        let exists = format!("fault already exists: `latency_downstream` of db; {EXISTS_WAY_OUT}");
        let one = [fault("latency_downstream"), fault("late")];
        let added = "fault already exists: `latency` of db; add --name NAME for another one";
        assert_eq!(shown(&exists, None, &one), added);
        let both = [fault("latency_downstream"), fault("latency_upstream")];
        assert!(shown(&exists, None, &both).contains("`latency_downstream` of db"));
        let gone = "fault not found: `latency_both`; did you mean `latency_downstream`?";
        let expected = "fault not found: `latency`; did you mean `latency`?";
        assert_eq!(shown(gone, Some(("latency_both", "latency")), &one), expected);
    }
}
