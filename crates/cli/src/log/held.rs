//! Writer of the log on stderr, which keeps the records while a view covers the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_appender::non_blocking::NonBlocking;

/// Maximum number of records that are kept.
const MAX_RECORDS: usize = 10_000;

/// Record that is not written. It shows that all earlier records were.
const MARK: &[u8] = b"\0";

/// Writer to stderr. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stderr(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Records that a view holds.
    held: Mutex<Option<Records>>,
    /// Number of marks that have arrived.
    marks: Mutex<u64>,
    mark_arrived: Condvar,
}

#[derive(Debug, Default)]
struct Records {
    latest: VecDeque<String>,
    left_out: u64,
}

impl Records {
    fn push(&mut self, record: String) {
        self.latest.push_back(record);
        if self.latest.len() > MAX_RECORDS {
            self.latest.pop_front();
            self.left_out += 1;
        }
    }

    /// Returns the last lines, the oldest first.
    fn last(&self, count: usize) -> Vec<String> {
        let newest_first = self.latest.iter().rev().flat_map(|record| record.lines().rev());
        let mut lines: Vec<_> = newest_first.take(count).map(str::to_owned).collect();
        lines.reverse();
        lines
    }

    fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        if self.left_out > 0 {
            writeln!(to, "… {} earlier records are left out: --log-file keeps all", self.left_out)?;
        }
        self.latest.iter().try_for_each(|record| to.write_all(record.as_bytes()))
    }
}

impl Stderr {
    pub(super) fn hold(&self) -> HeldLog {
        self.0.held.lock().get_or_insert_default();
        HeldLog(self.clone())
    }

    /// Waits until the thread of `lines` has written all its records to this writer. Gives up after the time.
    pub(super) fn wait_written(&self, lines: &NonBlocking, timeout: Duration) {
        let mut marks = self.0.marks.lock();
        let before = *marks;
        if lines.clone().write_all(MARK).is_ok() {
            let waits = |marks: &mut u64| *marks == before;
            let _ = self.0.mark_arrived.wait_while_for(&mut marks, waits, timeout);
        }
    }
}

impl Write for Stderr {
    /// Writes one record.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if record == MARK {
            *self.0.marks.lock() += 1;
            self.0.mark_arrived.notify_all();
            return Ok(record.len());
        }
        match &mut *self.0.held.lock() {
            Some(records) => records.push(String::from_utf8_lossy(record).into_owned()),
            None => io::stderr().write_all(record)?,
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The records of the log on stderr while a view covers the terminal. Dropping it writes them to stderr, and the log continues
/// there. The latest 10,000 are kept.
#[derive(Debug)]
pub struct HeldLog(Stderr);

impl HeldLog {
    /// Returns the last lines, the oldest first. They may contain escape sequences for colors.
    pub fn last(&self, count: usize) -> Vec<String> {
        self.0.0.held.lock().as_ref().map(|records| records.last(count)).unwrap_or_default()
    }
}

impl Drop for HeldLog {
    fn drop(&mut self) {
        let mut records = self.0.0.held.lock();
        if let Some(records) = records.take() {
            // Ignore a closed stderr.
            records.write_to(&mut io::stderr()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_appender::non_blocking::NonBlockingBuilder;

    use super::*;

    #[test]
    fn the_latest_records_are_kept_and_the_others_are_counted() {
        let mut records = Records::default();
        records.push("one\n  more of it\n".to_owned());
        records.push("two\n".to_owned());
        assert_eq!(records.last(2), ["  more of it", "two"]);
        assert_eq!(records.last(9).len(), 3);
        let mut written = Vec::new();
        records.write_to(&mut written).unwrap();
        assert_eq!(written, b"one\n  more of it\ntwo\n");

        (0..MAX_RECORDS).for_each(|number| records.push(format!("{number}\n")));
        let mut written = Vec::new();
        records.write_to(&mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(written.starts_with("… 2 earlier records are left out: --log-file keeps all\n0\n1\n"));
        assert_eq!(written.lines().count(), 1 + MAX_RECORDS);
    }

    #[test]
    fn records_of_another_thread_are_waited_for() {
        let stderr = Stderr::default();
        let held = stderr.hold();
        let (mut lines, _guard) = NonBlockingBuilder::default().finish(stderr.clone());
        for round in 0..20 {
            (0..200).for_each(|number| lines.write_all(format!("{round} {number}\n").as_bytes()).unwrap());
            stderr.wait_written(&lines, Duration::from_secs(60));
            assert_eq!(held.last(1), [format!("{round} 199")]);
        }
        // The test must not write to stderr.
        stderr.0.held.lock().as_mut().unwrap().latest.clear();
    }

    #[test]
    fn records_are_held_until_the_guard_is_dropped() {
        let mut stderr = Stderr::default();
        let held = stderr.hold();
        stderr.write_all(b"kept\n").unwrap();
        assert_eq!(held.last(5), ["kept"]);
        // The test must not write to stderr.
        stderr.0.held.lock().as_mut().unwrap().latest.clear();
        drop(held);
        assert!(stderr.0.held.lock().is_none());
    }
}
