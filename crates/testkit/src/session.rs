//! Both ends of a session: what they send, what they receive, and how it ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Pattern;

/// Time limit that no operation of a test reaches, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 256 << 10;

/// Makes reads and writes that take longer than [`PATIENCE`] fail.
///
/// # Panics
///
/// Panics if the system does not set the timeouts.
pub fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

/// Polls until `done` returns true.
///
/// # Panics
///
/// Panics after [`PATIENCE`]. The message contains `what`.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns what a program printed.
///
/// # Panics
///
/// Panics if the program failed.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes one round trip to an upstream that echoes.
///
/// # Errors
///
/// Returns the errors of the stream, and [`io::ErrorKind::Other`] if the echo differs.
pub fn round_trip(mut stream: &TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message)?;
    let mut reply = vec![0; message.len()];
    stream.read_exact(&mut reply)?;
    if reply == message { Ok(()) } else { Err(io::Error::other("the echo differs")) }
}

/// Skips what the peer sends, and returns `Ok` if it ends with an end of file.
///
/// # Errors
///
/// Returns the kind of the error if it ends with an error.
pub fn ending(mut stream: &TcpStream) -> Result<(), io::ErrorKind> {
    io::copy(&mut stream, &mut io::sink()).map(drop).map_err(|error| error.kind())
}

/// Sends `length` bytes of a pattern from `offset` on, and half-closes.
///
/// # Errors
///
/// Returns the errors of the stream.
pub fn send(mut stream: &TcpStream, pattern: &Pattern, offset: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut sent = 0;
    while sent < length {
        let size = usize::try_from(length - sent).unwrap_or(BUFFER).min(BUFFER);
        pattern.fill(offset + sent, &mut buffer[..size]);
        stream.write_all(&buffer[..size])?;
        sent += size as u64;
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads to the end of file, and returns the number of bytes. All of them must match the pattern from `offset` on.
/// `progress` counts them.
///
/// # Errors
///
/// Returns the errors of the stream, and [`io::ErrorKind::Other`] if a byte differs.
pub fn receive(
    mut stream: &TcpStream,
    pattern: &Pattern,
    offset: u64,
    progress: &AtomicU64,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(received),
            got => {
                if let Some(place) = pattern.first_difference(offset + received, &buffer[..got]) {
                    return Err(io::Error::other(format!("byte {} differs", place - offset)));
                }
                received += got as u64;
                progress.fetch_add(got as u64, Ordering::Relaxed);
            }
        }
    }
}
