//! Limit of sessions that the system allows.

use tracing::warn;

use crate::sys::raise_open_files;

/// Descriptors reserved for listeners, standard streams, the runtime and pipes.
const OTHER_DESCRIPTORS: u64 = 128;

/// Raises the soft limit of open files to the hard limit, and returns the maximum number of sessions.
///
/// The result is `asked`, which defaults to the number of sessions for which the files suffice. A session needs
/// two files. Warns if `asked` is higher than that.
pub fn max_sessions(asked: Option<u32>) -> usize {
    let descriptors = raise_open_files().unwrap_or(1 << 20);
    let possible = (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).max(1);
    let sessions = asked.map_or(possible, u64::from);
    if sessions > possible {
        warn!(
            max_sessions = sessions,
            open_files = descriptors,
            possible_sessions = possible,
            "--max-sessions {sessions} is more than the {descriptors} open files allowed can hold ({possible})"
        );
    }
    usize::try_from(sessions).unwrap_or(usize::MAX)
}
