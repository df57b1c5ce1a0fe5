//! State of the view.

mod keys;

use std::time::{Duration, Instant};

use fault_proxy_control::proxies::{ProxyState, State};

use super::order::{self, Key};
use crate::args::FaultCommand;

/// Time for which a message is shown.
const MESSAGE_TIME: Duration = Duration::from_secs(6);

/// Reaction of the view to a key.
#[derive(Debug)]
pub(super) enum Action {
    Nothing,
    Leave,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Draw everything again.
    Redraw,
    Change(Change),
}

/// A change of a fault.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) command: FaultCommand,
    /// The fault as the view shows it, unless it is new.
    pub(super) label: Option<String>,
}

/// State of the view.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) key: Key,
    pub(super) is_reversed: bool,
    /// Only proxies with this text are listed.
    pub(super) filter: String,
    /// Name of the selected proxy, and its place in the list.
    selected: Option<String>,
    place: usize,
    /// First row of the list that is shown, and the number of rows.
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) open: Option<Open>,
    pub(super) dialog: Option<Dialog>,
    pub(super) message: Option<Message>,
}

/// The proxy that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) proxy: String,
    /// Name of the selected fault, and its place in the list.
    fault: Option<String>,
    place: usize,
    /// First line that is shown.
    pub(super) first: usize,
    /// Whether the selected fault is to be shown.
    pub(super) follows: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialog {
    Help,
    Filter,
    /// A line that adds a fault to a proxy, and the error of the last attempt.
    Add {
        proxy: String,
        line: String,
        problem: Option<String>,
    },
    /// A fault to remove, and how the view shows it.
    Remove {
        proxy: String,
        fault: String,
        label: String,
    },
}

/// Result of an action.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) is_error: bool,
    shown: Instant,
}

impl App {
    /// Returns the listed proxies in their order.
    pub(super) fn listed<'a>(&self, state: &'a State) -> Vec<&'a ProxyState> {
        let filter = comparable(&self.filter);
        let mut listed: Vec<_> = state.proxies.iter().filter(|proxy| matches(proxy, &filter)).collect();
        order::sort(&mut listed, self.key, self.is_reversed);
        listed
    }

    /// Returns the place of the selected proxy.
    pub(super) fn place(&self, listed: &[&ProxyState]) -> usize {
        let named = listed.iter().position(|proxy| Some(&proxy.name) == self.selected.as_ref());
        named.unwrap_or_else(|| self.place.min(listed.len().saturating_sub(1)))
    }

    /// Returns the open proxy, unless it was deleted.
    pub(super) fn opened<'a>(&self, state: &'a State) -> Option<&'a ProxyState> {
        let open = self.open.as_ref()?;
        state.proxies.iter().find(|proxy| proxy.name == open.proxy)
    }

    /// Takes over a new state.
    pub(super) fn on_state(&mut self, state: &State, now: Instant) {
        if let Some(open) = &self.open
            && self.opened(state).is_none()
        {
            let text = format!("{} was deleted", open.proxy);
            self.open = None;
            self.dialog = None;
            self.on_done(Err(text), now);
        }
    }

    /// Shows the result of a change.
    pub(super) fn on_done(&mut self, result: Result<String, String>, now: Instant) {
        match (&mut self.dialog, result) {
            (Some(Dialog::Add { problem, .. }), Err(error)) => *problem = Some(error),
            (_, result) => {
                self.dialog = None;
                let is_error = result.is_err();
                let (Ok(text) | Err(text)) = result;
                self.message = Some(Message { text, is_error, shown: now });
            }
        }
    }

    /// Removes a message after its time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.message.take_if(|message| now.saturating_duration_since(message.shown) >= MESSAGE_TIME);
    }
}

impl Open {
    fn new(proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), fault: None, place: 0, first: 0, follows: false }
    }

    /// Returns the place of the selected fault.
    pub(super) fn place<'a>(&self, faults: impl ExactSizeIterator<Item = &'a str>) -> Option<usize> {
        let last = faults.len().checked_sub(1)?;
        let named = { faults }.position(|name| Some(name) == self.fault.as_deref());
        Some(named.unwrap_or(self.place.min(last)))
    }

    fn scroll_to(&mut self, line: usize) {
        self.first = line;
        self.follows = false;
    }
}

fn matches(proxy: &ProxyState, filter: &str) -> bool {
    let texts = [&proxy.name, &proxy.label, &proxy.listen, &proxy.upstream].into_iter();
    let faults = proxy.faults.iter().flat_map(|fault| [&fault.name, &fault.kind]);
    texts.chain(faults).any(|text| comparable(text).contains(filter))
}

/// Types of faults have hyphens in the view, and underscores in the API.
fn comparable(text: &str) -> String {
    text.to_lowercase().replace('_', "-")
}
