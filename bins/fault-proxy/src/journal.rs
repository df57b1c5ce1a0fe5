//! The journal of a run: its settings in the first line, then one decision per line.

mod writer;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
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

/// Checks whether [`Writer::create`] would succeed, without changing the file.
pub(crate) fn check(path: &Path) -> Result<()> {
    let checked = match fs::metadata(path) {
        Ok(there) if there.is_file() || there.is_dir() => {
            OpenOptions::new().append(true).open(path).map(drop)
        }
        // Opening a pipe would wait for its reader.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => return check(&path.with_file_name(target)),
            Err(_) => File::create_new(path).and_then(|_| fs::remove_file(path)),
        },
        Err(error) => Err(error),
    };
    checked.with_context(|| format!("--journal {}", path.display()))
}
