//! The journal of a run: its settings in the first line, then one decision per line.

mod writer;

use serde::{Deserialize, Serialize};

pub(crate) use self::writer::Writer;

/// First line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<S> {
    /// Format version of the lines.
    pub(crate) journal: u32,
    pub(crate) seed: u64,
    /// Settings of the run.
    pub(crate) settings: S,
}

pub(crate) const FORMAT: u32 = 1;
