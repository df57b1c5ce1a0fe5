//! Journal of a run. The first line has its settings, and each further line a decision or a change by a
//! client of the control API.

mod changes;
mod writer;

use fault_proxy_control::proxies::Change;
use fault_proxy_engine::JournalEntry;
use serde::{Deserialize, Serialize};

pub(crate) use self::changes::Recorder;
pub(crate) use self::writer::Writer;

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<S> {
    /// Format version of the lines.
    pub(crate) journal: u32,
    pub(crate) seed: u64,
    /// Settings of the run.
    pub(crate) settings: S,
}

pub(crate) const FORMAT: u32 = 1;

/// A line after the header.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Decision(JournalEntry),
    Change { change: Box<Change> },
}
