//! What goes through a session, and how it ends.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::AtomicU64;
use std::thread;

use testkit::Pattern;
pub(crate) use testkit::session::{ending, round_trip};
use testkit::session::{receive, send};

/// The pattern that a client sends, and the one that its upstream does.
pub(crate) const UP: u64 = 1;
pub(crate) const DOWN: u64 = 2;

/// Sends `length` bytes of the pattern `ours` while it receives those of `theirs`; returns how many those were.
pub(crate) fn exchange(
    stream: &TcpStream,
    ours: u64,
    theirs: u64,
    length: u64,
    progress: &AtomicU64,
) -> io::Result<u64> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(stream, &Pattern::new(ours), 0, length));
        let received = receive(stream, &Pattern::new(theirs), 0, progress);
        sending.join().expect("sending does not panic")?;
        received
    })
}
