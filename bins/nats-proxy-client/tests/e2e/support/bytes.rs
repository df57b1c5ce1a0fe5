//! What goes through a session, and how it ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use testkit::Pattern;

const BUFFER: usize = 256 << 10;
/// The pattern that a client sends, and the one that its upstream does.
pub(crate) const UP: u64 = 1;
pub(crate) const DOWN: u64 = 2;

/// One round trip to an upstream that echoes.
pub(crate) fn round_trip(mut stream: &TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message)?;
    let mut reply = vec![0; message.len()];
    stream.read_exact(&mut reply)?;
    if reply == message { Ok(()) } else { Err(io::Error::other("the echo differs")) }
}

/// How the peer's bytes end: `Ok` at an end of file. Whatever comes before is skipped.
pub(crate) fn ending(mut stream: &TcpStream) -> Result<(), io::ErrorKind> {
    io::copy(&mut stream, &mut io::sink()).map(drop).map_err(|error| error.kind())
}

/// Sends `length` bytes of a pattern, and half-closes.
pub(crate) fn send(mut stream: &TcpStream, pattern: &Pattern, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut sent = 0;
    while sent < length {
        let size = usize::try_from(length - sent).unwrap_or(BUFFER).min(BUFFER);
        pattern.fill(sent, &mut buffer[..size]);
        stream.write_all(&buffer[..size])?;
        sent += size as u64;
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads to the end of file; returns how many bytes came, all of them the pattern's. `progress` counts them.
pub(crate) fn receive(mut stream: &TcpStream, pattern: &Pattern, progress: &AtomicU64) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(received),
            got => {
                if let Some(place) = pattern.first_difference(received, &buffer[..got]) {
                    return Err(io::Error::other(format!("byte {place} differs")));
                }
                received += got as u64;
                progress.fetch_add(got as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Sends `length` bytes of the pattern `ours` while it receives those of `theirs`; returns how many those were.
pub(crate) fn exchange(
    stream: &TcpStream,
    ours: u64,
    theirs: u64,
    length: u64,
    progress: &AtomicU64,
) -> io::Result<u64> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(stream, &Pattern::new(ours), length));
        let received = receive(stream, &Pattern::new(theirs), progress);
        sending.join().expect("sending does not panic")?;
        received
    })
}
