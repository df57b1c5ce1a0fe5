//! Opening files that may block, such as a named pipe without a reader.

use std::fs::File;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Time after which the user is notified that opening the file takes long.
const NOTICE_DELAY: Duration = Duration::from_secs(1);
/// Interval between checks of `is_canceled` after that.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs `open` on another thread and returns its result. Calls `notice` once if `open` takes longer than 1 s.
///
/// # Errors
/// Returns the error of `open`, or [`io::ErrorKind::Interrupted`] if `is_canceled` returned true while `open`
/// blocked. In the latter case, the thread stays blocked until the process ends.
pub fn open_blocking(
    open: impl FnOnce() -> io::Result<File> + Send + 'static,
    notice: impl FnOnce(),
    is_canceled: impl Fn() -> bool,
) -> io::Result<File> {
    let (sender, opened) = sync_channel(1);
    thread::Builder::new().name("open".to_owned()).spawn(move || sender.send(open()).ok())?;
    let mut notice = Some(notice);
    let mut wait = NOTICE_DELAY;
    loop {
        match opened.recv_timeout(wait) {
            Ok(file) => return file,
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the open thread panicked")),
            Err(RecvTimeoutError::Timeout) if is_canceled() => {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "canceled while the file was blocked",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(notice) = notice.take() {
            notice();
        }
        wait = POLL_INTERVAL;
    }
}
